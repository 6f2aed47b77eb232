/* The state directory: one owner, and an incarnation that only grows. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/state.h"

static char root[64], directory[128];

static void setup (void)
{
	snprintf (root, sizeof root, "/tmp/belfry-state-XXXXXX");
	cr_assert_not_null (mkdtemp (root));
	snprintf (directory, sizeof directory, "%s/a/b", root);
}

static void teardown (void)
{
	char command[160];
	snprintf (command, sizeof command, "rm -rf '%s'", root);
	cr_assert_eq (system (command), 0);
}

TestSuite (state, .init = setup, .fini = teardown);

static const wall_t now = { INT64_C (1763973600) * NS_PER_S };

static state_t *opened (void)
{
	state_t *state = NULL;
	err_t err = { "" };
	cr_assert_eq (state_open (directory, &state, &err), 0, "%s", err.text);
	return state;
}

Test (state, the_directory_is_made_and_is_ours_alone)
{
	struct stat st;
	state_t *state = opened ();
	cr_assert_eq (stat (directory, &st), 0);
	cr_assert_eq (st.st_mode & 0777, 0700);
	state_close (&state);
	cr_assert_null (state);
}

Test (state, a_second_owner_is_refused_by_name_until_the_first_is_gone)
{
	state_t *state = opened (), *second = NULL;
	err_t err = { "" };
	cr_assert_eq (state_open (directory, &second, &err), -EWOULDBLOCK);
	cr_assert_null (second);
	cr_assert_not_null (strstr (err.text, directory));
	cr_assert_not_null (strstr (err.text, "another collector"));
	state_close (&state);
	state = opened ();
	state_close (&state);
}

Test (state, what_is_no_directory_is_said)
{
	state_t *state = NULL;
	err_t err = { "" };
	cr_assert_lt (state_open ("/dev/null", &state, &err), 0);
	cr_assert_not_null (strstr (err.text, "/dev/null"));
	cr_assert_lt (state_open ("/proc/belfry", &state, &err), 0);
	cr_assert_not_null (strstr (err.text, "/proc/belfry"));
	cr_assert_lt (state_open ("", &state, &err), 0);
	cr_assert_null (state);
}

Test (state, the_incarnation_grows_by_one_from_start_to_start)
{
	for (uint64_t wanted = 1; wanted <= 3; wanted++) {
		state_t *state = opened ();
		uint64_t incarnation = 0;
		err_t err = { "" };
		cr_assert_eq (state_incarnation (state, now, &incarnation, &err), 0, "%s", err.text);
		cr_assert_eq (incarnation, wanted);
		state_close (&state);
	}
}

static void corrupt (const char *text)
{
	char path[160];
	snprintf (path, sizeof path, "%s/incarnation", directory);
	int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert_geq (fd, 0);
	cr_assert_eq (write (fd, text, strlen (text)), (ssize_t) strlen (text));
	close (fd);
}

Test (state, a_file_that_does_not_check_gives_a_number_above_any_count)
{
	static const char *const texts[] = { "", "belfry-incarnation 1 7 0000000000000000\n", "garbage",
		"belfry-incarnation 1 0 0\n", "belfry-incarnation 1 18446744073709551615 0\n" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		state_t *state = opened ();
		uint64_t incarnation = 0;
		err_t err = { "" };
		corrupt (texts[i]);
		cr_assert_eq (state_incarnation (state, now, &incarnation, &err), STATE_E_CORRUPT, "'%s'",
		        texts[i]);
		cr_assert_eq (incarnation, 1763973600);
		cr_assert_not_null (strstr (err.text, "does not check"));
		cr_assert_eq (state_incarnation (state, now, &incarnation, &err), 0);
		cr_assert_eq (incarnation, 1763973601, "and it counts on from there");
		state_close (&state);
	}
}

Test (state, a_directory_that_cannot_be_written_does_not_stop_the_collector)
{
	state_t *state = opened ();
	uint64_t incarnation = 0;
	err_t err = { "" };
	char path[160];
	/* Where the new file would go stands a directory: no disk has to be filled for that. */
	snprintf (path, sizeof path, "%s/incarnation.new", directory);
	cr_assert_eq (mkdir (path, 0700), 0);
	cr_assert_eq (state_incarnation (state, now, &incarnation, &err), STATE_E_NOT_DURABLE);
	cr_assert_eq (incarnation, 1763973600);
	cr_assert_not_null (strstr (err.text, "cannot be stored"));
	cr_assert_eq (rmdir (path), 0);
	state_close (&state);
}
