/* The tests of what has a child are its program themselves: executed anew they are the child. */

#include <criterion/criterion.h>
#include <string.h>

#include "agents/probes/child.h"

int main (int argc, char **argv)
{
	if (argc > 1 && strcmp (argv[1], CHILD_ARGUMENT) == 0)
		return child_main (argc, argv);
	struct criterion_test_set *tests = criterion_initialize ();
	int failed = criterion_handle_args (argc, argv, true) && !criterion_run_all_tests (tests);
	criterion_finalize (tests);
	return failed;
}
