/* The incarnation in force, and the next one over a worker's disk. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agents/tenure.h"

static char directory[64];
static loop_t *loop;
static tenure_t *tenure;
static unsigned begun;
static err_t err;

static void on_begun (void *arg, const incarnation_t *incarnation)
{
	(void) arg;
	cr_assert_eq (incarnation, tenure_incarnation (tenure));
	begun++;
}

static void setup (void)
{
	snprintf (directory, sizeof directory, "/tmp/belfry-tenure-XXXXXX");
	cr_assert_not_null (mkdtemp (directory));
	cr_assert_eq (loop_new (&loop), 0);
	cr_assert_eq (tenure_new (loop, directory, on_begun, NULL, &tenure, &err), 0, "%s", err.text);
}

static void teardown (void)
{
	char command[96];
	cr_assert (tenure_destroy (&tenure));
	loop_destroy (&loop);
	snprintf (command, sizeof command, "rm -rf '%s'", directory);
	cr_assert_eq (system (command), 0);
}

TestSuite (tenure, .init = setup, .fini = teardown);

#define STEP_UNTIL(condition)                                                  \
	do {                                                                   \
		mono_t limit_ = mono_add (mono_now (), 10 * NS_PER_S);         \
		while (!(condition) && mono_since (limit_, mono_now ()) > 0) { \
			tenure_step (tenure);                                  \
			cr_assert_eq (loop_turn (loop, 5 * NS_PER_MS), 0);     \
		}                                                              \
		cr_assert (condition);                                         \
	} while (0)

Test (tenure, a_first_number_stands_and_is_certain_once_it_was_accepted)
{
	cr_assert_eq (tenure_incarnation (tenure)->incarnation, 1);
	cr_assert_not (tenure_incarnation (tenure)->certain);
	cr_assert (tenure_stands (tenure));
	tenure_accepted (tenure);
	STEP_UNTIL (tenure_incarnation (tenure)->certain);
	cr_assert_eq (begun, 1, "it may be used");
	cr_assert (tenure_destroy (&tenure));
	cr_assert_eq (tenure_new (loop, directory, on_begun, NULL, &tenure, &err), 0, "%s", err.text);
	cr_assert_eq (tenure_incarnation (tenure)->incarnation, 2);
	cr_assert (tenure_incarnation (tenure)->certain, "what is stored was accepted once");
}

Test (tenure, a_number_that_was_given_up_does_not_stand_until_the_next_is_on_disk)
{
	uint64_t nonce = tenure_incarnation (tenure)->boot_nonce;
	tenure_superseded (tenure, 5);
	cr_assert_not (tenure_stands (tenure));
	STEP_UNTIL (begun == 1);
	cr_assert (tenure_stands (tenure));
	cr_assert_eq (tenure_incarnation (tenure)->incarnation, 5);
	cr_assert_neq (tenure_incarnation (tenure)->boot_nonce, nonce);
}

/* A collector may say so twice before the disk has answered. */
Test (tenure, the_same_word_twice_is_one_step)
{
	tenure_superseded (tenure, 5);
	tenure_step (tenure);
	tenure_superseded (tenure, 5);
	STEP_UNTIL (tenure_stands (tenure));
	cr_assert_eq (begun, 1);
	cr_assert_eq (tenure_incarnation (tenure)->incarnation, 5);
}

Test (tenure, a_state_directory_has_one_owner)
{
	tenure_t *second = NULL;
	cr_assert_eq (tenure_new (loop, directory, on_begun, NULL, &second, &err), -EWOULDBLOCK);
	cr_assert_null (second);
	cr_assert_not_null (strstr (err.text, directory), "%s", err.text);
}

Test (tenure, a_disk_that_is_still_at_work_is_waited_for_at_the_end)
{
	tenure_superseded (tenure, 9);
	tenure_step (tenure);
	cr_assert (tenure_destroy (&tenure), "a job of milliseconds is no hanging disk");
	cr_assert_eq (tenure_new (loop, directory, on_begun, NULL, &tenure, &err), 0, "%s", err.text);
	cr_assert_eq (tenure_incarnation (tenure)->incarnation, 10, "what it wrote holds");
}
