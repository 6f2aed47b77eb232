#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/identity.h"

static char dir[64], path[128];
static err_t note, err;

static void setup (void)
{
	snprintf (dir, sizeof dir, "/tmp/belfry-identity-XXXXXX");
	cr_assert_not_null (mkdtemp (dir));
}

static void teardown (void)
{
	char command[128];
	snprintf (command, sizeof command, "rm -rf '%s'", dir);
	cr_assert_eq (system (command), 0);
}

TestSuite (identity, .init = setup, .fini = teardown);

static const char *in_dir (const char *name)
{
	snprintf (path, sizeof path, "%s/%s", dir, name);
	return path;
}

static identity_t *opened (void)
{
	identity_t *self = NULL;
	cr_assert_eq (identity_open (dir, &self, &note, &err), 0, "%s", err.text);
	return self;
}

/* One life of an agent. */
static incarnation_t live (uint64_t at_least, bool welcomed)
{
	identity_t *self = opened ();
	incarnation_t now;
	cr_assert_eq (identity_advance (self, at_least, &now, &err), 0, "%s", err.text);
	if (welcomed)
		cr_assert_eq (identity_confirm (self, &now, &err), 0);
	identity_destroy (&self);
	cr_assert_null (self);
	return now;
}

static void file_write (const char *name, const char *text)
{
	FILE *f = fopen (in_dir (name), "w");
	cr_assert_not_null (f);
	fputs (text, f);
	fclose (f);
}

Test (identity, a_first_start_is_number_one_and_not_certain)
{
	incarnation_t now = live (0, false);
	cr_assert_eq (now.incarnation, 1);
	cr_assert (!now.certain);
	cr_assert (strstr (note.text, "first start"), "%s", note.text);
}

Test (identity, each_start_is_another_number_and_nonce)
{
	incarnation_t first = live (0, true), second = live (0, false);
	cr_assert_eq (second.incarnation, 2);
	cr_assert (second.certain);
	cr_assert_neq (first.boot_nonce, second.boot_nonce);
	cr_assert_eq (note.text[0], '\0');
}

Test (identity, a_number_that_nobody_confirmed_stays_uncertain_after_a_restart)
{
	live (0, false);
	cr_assert (!live (0, false).certain);
	cr_assert (!live (0, true).certain);
	cr_assert (live (0, false).certain);
}

Test (identity, what_a_collector_named_is_taken_and_is_certain)
{
	incarnation_t now = live (8, false);
	cr_assert_eq (now.incarnation, 8);
	cr_assert (now.certain);
	cr_assert_eq (live (0, false).incarnation, 9);
	cr_assert_eq (live (3, false).incarnation, 10, "what was named is a least, not an order");
}

Test (identity, a_flipped_bit_anywhere_sets_the_file_aside)
{
	live (0, true);
	char text[512], bad[512];
	FILE *f = fopen (in_dir ("incarnation"), "r");
	size_t n = fread (text, 1, sizeof text, f);
	fclose (f);
	cr_assert_gt (n, 60);
	for (size_t i = 0; i < n - 1; i++) {
		memcpy (bad, text, n);
		bad[i] ^= 1;
		f = fopen (in_dir ("incarnation"), "w");
		fwrite (bad, 1, n, f);
		fclose (f);
		identity_t *self = opened ();
		cr_assert (strstr (note.text, "incarnation.corrupt"), "byte %zu: '%s'", i, note.text);
		incarnation_t now;
		cr_assert_eq (identity_advance (self, 0, &now, &err), 0);
		cr_assert (!now.certain, "byte %zu", i);
		identity_destroy (&self);
		cr_assert_eq (access (in_dir ("incarnation.corrupt"), F_OK), 0);
	}
}

Test (identity, an_empty_a_torn_and_a_huge_file_are_set_aside)
{
	char huge[2000];
	memset (huge, '1', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	const char *texts[] = { "", "belfry-incarnation 1\nincarnation 7\nboot_no", huge };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		file_write ("incarnation", texts[i]);
		cr_assert (!live (0, false).certain);
		cr_assert (strstr (note.text, "set aside"), "'%s'", note.text);
	}
}

Test (identity, a_second_agent_is_refused_and_told_whom_it_meets)
{
	identity_t *first = opened (), *second = NULL;
	char pid[32];
	snprintf (pid, sizeof pid, "pid %d ", (int) getpid ());
	cr_assert_eq (identity_open (dir, &second, &note, &err), -EWOULDBLOCK);
	cr_assert_null (second);
	cr_assert (strstr (err.text, dir) && strstr (err.text, pid), "%s", err.text);
	identity_destroy (&first);
	second = opened ();
	identity_destroy (&second);
}

Test (identity, directories_are_made_for_us_alone)
{
	struct stat st;
	identity_t *self = NULL;
	char nested[128];
	snprintf (nested, sizeof nested, "%s/a/b", dir);
	cr_assert_eq (identity_open (nested, &self, &note, &err), 0, "%s", err.text);
	cr_assert_eq (stat (nested, &st), 0);
	cr_assert_eq (st.st_mode & 0777, 0700);
	identity_destroy (&self);
}

Test (identity, a_directory_that_others_may_write_to_is_refused)
{
	identity_t *self = NULL;
	cr_assert_eq (chmod (dir, 0777), 0);
	cr_assert_eq (identity_open (dir, &self, &note, &err), -EACCES);
	cr_assert (strstr (err.text, "chmod 700"), "%s", err.text);
}

Test (identity, a_file_in_the_place_of_the_directory_is_refused)
{
	identity_t *self = NULL;
	file_write ("state", "x");
	cr_assert_eq (identity_open (in_dir ("state"), &self, &note, &err), -ENOTDIR);
	cr_assert (strstr (err.text, "state"), "%s", err.text);
}

Test (identity, a_link_in_the_place_of_a_file_is_not_followed)
{
	identity_t *self = opened ();
	incarnation_t now;
	file_write ("victim", "precious");
	char victim[128];
	snprintf (victim, sizeof victim, "%s", in_dir ("victim"));
	cr_assert_eq (symlink (victim, in_dir ("incarnation.new")), 0);
	cr_assert_eq (identity_advance (self, 0, &now, &err), -ELOOP);
	cr_assert_eq (now.incarnation, 1);
	cr_assert (!now.certain);
	struct stat st;
	cr_assert_eq (stat (victim, &st), 0);
	cr_assert_eq (st.st_size, 8);
	identity_destroy (&self);
}

Test (identity, a_disk_that_does_not_take_the_number_leaves_it_uncertain)
{
	live (0, true);
	identity_t *self = opened ();
	incarnation_t now;
	/* A directory where the new file should go: root too is refused there. */
	cr_assert_eq (mkdir (in_dir ("incarnation.new"), 0700), 0);
	cr_assert_lt (identity_advance (self, 0, &now, &err), 0);
	cr_assert (strstr (err.text, "collector"), "%s", err.text);
	cr_assert_eq (now.incarnation, 2);
	cr_assert (!now.certain);
	cr_assert_lt (identity_advance (self, 0, &now, &err), 0);
	cr_assert_eq (now.incarnation, 3, "no number is used twice");
	identity_destroy (&self);
}
