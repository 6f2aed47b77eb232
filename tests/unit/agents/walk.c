#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/probes/persistence/walk.h"
#include "base/clock.h"
#include "tests/unit/agents/tree.h"

static void setup (void)
{
	tree_make ();
	tree_directory ("store");
}
TestSuite (walk, .init = setup, .fini = tree_remove, .timeout = 60);

static walk_t *walk_of (const char *path, const struct stat *skip)
{
	walk_t *walk;
	int fd = open (tree_path (path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq (fd, 0);
	cr_assert_eq (walk_new (fd, skip, &walk), 0);
	return walk;
}

static walk_result_t result_of (const struct stat *skip)
{
	walk_t *walk = walk_of ("store", skip);
	cr_assert (walk_step (walk, &(walk_budget_t){ UINT64_MAX, 10 * NS_PER_S, 10 * NS_PER_S }));
	walk_result_t result = *walk_result (walk);
	walk_destroy (&walk);
	cr_assert_null (walk);
	return result;
}

Test (walk, an_empty_directory_has_no_file_and_no_newest_write)
{
	walk_result_t result = result_of (NULL);
	cr_assert_eq (result.files, 0);
	cr_assert_eq (result.bytes, 0);
	cr_assert_eq (result.newest_ns, INT64_MIN);
	cr_assert_eq (result.unread, 0);
}

Test (walk, what_is_no_directory_is_refused_and_its_descriptor_closed)
{
	walk_t *walk = NULL;
	tree_write ("file", "x");
	int fd = open (tree_path ("file"), O_RDONLY | O_CLOEXEC);
	cr_assert_eq (walk_new (fd, NULL, &walk), -ENOTDIR);
	cr_assert_null (walk);
	cr_assert_eq (fcntl (fd, F_GETFD), -1);
}

Test (walk, files_and_blocks_are_summed_and_the_newest_is_found)
{
	static char data[100000];
	tree_write_bytes ("store/a", data, sizeof data);
	tree_write_bytes ("store/below/deeper/b", data, sizeof data);
	tree_write ("store/below/new", "x");
	struct timespec at[2] = { { 1000, 0 }, { 1000, 5 } }, old[2] = { { 10, 0 }, { 10, 0 } };
	cr_assert_eq (utimensat (AT_FDCWD, tree_path ("store/below/new"), at, 0), 0);
	cr_assert_eq (utimensat (AT_FDCWD, tree_path ("store/a"), old, 0), 0);
	cr_assert_eq (utimensat (AT_FDCWD, tree_path ("store/below/deeper/b"), old, 0), 0);
	walk_result_t result = result_of (NULL);
	cr_assert_eq (result.files, 3);
	cr_assert_geq (result.bytes, 2 * sizeof data);
	cr_assert_leq (result.bytes, 3 * sizeof data);
	cr_assert_eq (result.newest_ns, 1000 * NS_PER_S + 5);
}

Test (walk, a_file_of_two_names_counts_once)
{
	static char data[100000];
	tree_write_bytes ("store/a", data, sizeof data);
	walk_result_t before = result_of (NULL);
	cr_assert_eq (link (tree_path ("store/a"), tree_path ("store/b")), 0);
	walk_result_t after = result_of (NULL);
	cr_assert_eq (after.files, 2);
	cr_assert_eq (after.bytes, before.bytes);
}

Test (walk, the_probes_own_file_does_not_count)
{
	struct stat skip;
	tree_write ("store/.belfry-probe", "x");
	cr_assert_eq (stat (tree_path ("store/.belfry-probe"), &skip), 0);
	walk_result_t result = result_of (&skip);
	cr_assert_eq (result.files, 0);
	cr_assert_eq (result.newest_ns, INT64_MIN);
}

Test (walk, symbolic_links_are_not_followed)
{
	tree_write ("elsewhere/large", "x");
	cr_assert_eq (symlink (tree_path ("elsewhere"), tree_path ("store/link")), 0);
	cr_assert_eq (symlink ("..", tree_path ("store/loop")), 0);
	walk_result_t result = result_of (NULL);
	cr_assert_eq (result.files, 2);
	cr_assert_eq (result.unread, 0);
}

Test (walk, another_file_system_below_is_not_the_stores)
{
	if (!tree_mount ("store/other", 1 << 20))
		cr_skip ("no file system can be mounted here");
	tree_write ("store/other/file", "x");
	tree_write ("store/own", "x");
	cr_assert_eq (result_of (NULL).files, 1);
}

Test (walk, what_lies_too_deep_is_counted_and_the_rest_goes_on)
{
	char path[TREE_PATH_MAX] = "store";
	for (int i = 0; i < WALK_DEPTH_MAX + 5; i++)
		strcat (path, "/d");
	tree_directory (path);
	tree_write ("store/z", "x");
	walk_result_t result = result_of (NULL);
	cr_assert_eq (result.unread, 1);
	cr_assert_eq (result.unread_error, ELOOP);
	cr_assert_str_eq (result.unread_name, "d");
	cr_assert_eq (result.files, 1);
}

Test (walk, is_bounded_a_step_and_goes_on_where_it_was)
{
	char name[64];
	for (int i = 0; i < 200; i++) {
		snprintf (name, sizeof name, "store/%d/%d", i % 3, i);
		tree_write (name, "x");
	}
	walk_t *walk = walk_of ("store", NULL);
	int steps = 1;
	uint64_t files = 0;
	while (!walk_step (walk, &(walk_budget_t){ 10, NS_PER_S, NS_PER_S })) {
		cr_assert_leq (walk_result (walk)->files - files, 10);
		files = walk_result (walk)->files;
		cr_assert_lt (++steps, 100);
	}
	cr_assert_gt (steps, 20);
	cr_assert_eq (walk_result (walk)->files, 200);
	walk_destroy (&walk);

	const walk_budget_t none[] = { { UINT64_MAX, 0, NS_PER_S }, { UINT64_MAX, NS_PER_S, 0 } };
	for (size_t i = 0; i < 2; i++) {
		walk = walk_of ("store", NULL);
		cr_assert_not (walk_step (walk, &none[i]), "no time is no whole walk");
		cr_assert_lt (walk_result (walk)->files, 200);
		walk_destroy (&walk);
	}
}

Test (walk, knows_its_directory)
{
	struct stat st;
	walk_t *walk = walk_of ("store", NULL);
	cr_assert_eq (stat (tree_path ("store"), &st), 0);
	cr_assert (walk_is_of (walk, &st));
	cr_assert_eq (stat (tree_path (""), &st), 0);
	cr_assert_not (walk_is_of (walk, &st));
	walk_destroy (&walk);
}
