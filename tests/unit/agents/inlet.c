/* The applications' socket with a real loop and raw sockets: what is said on it. */

#include "inlet_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite (inlet, .init = inlet_setup, .fini = inlet_teardown);

Test (inlet, an_event_is_let_in_with_what_the_kernel_says_of_its_sender)
{
	int fd = guest ("billing");
	send_info (fd, 1);
	TURN_UNTIL (taken.n == 1);
	char pid[16];
	snprintf (pid, sizeof pid, "%d", (int) getpid ());
	cr_assert_str_eq (taken.source, "billing");
	cr_assert_str_eq (taken.pid, pid);
	cr_assert_eq (strtoul (taken.uid, NULL, 10), getuid ());
	cr_assert_eq (taken.payload, BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY);
	cr_assert_eq (taken.n_labels, 2);
	cr_assert_eq (counters ()->accepted, 1);
	cr_assert_eq (counters ()->connections, 1);
	cr_assert_eq (counters ()->lost, 0);
	Belfry__V1__AppMessage *control = answer_next (fd, BELFRY__V1__APP_MESSAGE__BODY_CONTROL);
	cr_assert (control->control->enabled);
	belfry__v1__app_message__free_unpacked (control, NULL);
	close (fd);
	TURN_UNTIL (counters ()->open == 0);
}

Test (inlet, severity_correlation_and_labels_are_the_senders_uid_and_pid_are_not)
{
	static char keys[3][8] = { "uid", "disk", "pid" }, values[3][8] = { "0", "sda", "1" },
	            id[] = "order-7";
	Belfry__V1__Label labels[3], *list[3];
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	for (size_t i = 0; i < 3; i++) {
		belfry__v1__label__init (&labels[i]);
		labels[i].key = keys[i];
		labels[i].value = values[i];
		list[i] = &labels[i];
	}
	header.severity = BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	header.correlation_id = id;
	header.labels = list;
	header.n_labels = 3;
	int fd = guest ("billing");
	send_log (fd, 1, BELFRY__V1__SEVERITY__SEVERITY_ERROR, &header);
	TURN_UNTIL (taken.n == 1);
	cr_assert_eq (taken.n_labels, 3);
	cr_assert_str_eq (taken.first_label, "disk=sda");
	cr_assert_eq (strtoul (taken.uid, NULL, 10), getuid ());
	cr_assert_str_eq (taken.correlation, "order-7");
	cr_assert_eq (taken.severity, BELFRY__V1__SEVERITY__SEVERITY_ERROR);
	close (fd);
}

Test (inlet, holes_are_counted_over_reconnects)
{
	int fd = guest ("billing");
	send_info (fd, 3); /* 1 and 2 are missing */
	send_info (fd, 4);
	send_info (fd, 9); /* 5 to 8 */
	TURN_UNTIL (taken.n == 3);
	cr_assert_eq (counters ()->lost, 6);
	close (fd);
	fd = dial ();
	send_hello (fd, "billing", 9);
	send_info (fd, 12); /* 10 and 11, while there was no connection */
	TURN_UNTIL (taken.n == 4);
	cr_assert_eq (counters ()->lost, 8);
	send_info (fd, 12);
	send_info (fd, 1); /* numbers that go back say nothing of losses */
	TURN_UNTIL (taken.n == 6);
	cr_assert_eq (counters ()->lost, 8);
	send_info (fd, UINT64_MAX);
	TURN_UNTIL (counters ()->malformed == 1);
	cr_assert_eq (counters ()->lost, 8, "nonsense does not drown the count");
	close (fd);
}

Test (inlet, what_is_no_message_ends_the_connection_and_says_why)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *why;
	} cases[] = {
		{ "\xff\xff\xff", 3, "no AppMessage" },
		{ "\x08\x01", 2, "no hello" },
		{ "\x08\x02\x1a\x03\x0a\x01\x61", 7, "version" },
		{ "\x08\x01\x1a\x05\x0a\x03\x61\x00\x62", 9, "NUL" },
		{ "\x08\x01\x08\x01\x1a\x03\x0a\x01\x61", 9, "twice" },
		{ "\x08\x01\x1a\x04\x0a\x02-a", 8, "source name" },
		{ "\x08\x01\x1a\x7f\x0a", 5, "no AppMessage" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int fd = dial ();
		send_bytes (fd, cases[i].bytes, cases[i].size);
		expect_ack (fd, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, cases[i].why);
		TURN_UNTIL (at_end (fd));
		cr_assert_eq (counters ()->malformed, i + 1);
		close (fd);
	}
	cr_assert_eq (counters ()->open, 0);
	cr_assert_eq (taken.n, 0);
}

Test (inlet, a_message_above_64_KiB_is_refused)
{
	static uint8_t big[64 * 1024 + 1];
	int fd = guest ("billing");
	send_bytes (fd, big, sizeof big);
	expect_ack (fd, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "64 KiB");
	cr_assert_eq (counters ()->malformed, 1);
	close (fd);
}

Test (inlet, a_second_hello_and_the_agents_own_messages_are_refused)
{
	int fd = guest ("billing");
	send_hello (fd, "billing", 0);
	expect_ack (fd, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "do not send");
	close (fd);
	fd = guest ("billing");
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppControl control = BELFRY__V1__APP_CONTROL__INIT;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_CONTROL;
	message.control = &control;
	send_message (fd, &message);
	expect_ack (fd, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "do not send");
	cr_assert_eq (counters ()->malformed, 2);
	close (fd);
}

Test (inlet, reserved_sources_are_refused)
{
	static const char *const sources[] = { "agent", "collector" };
	for (size_t i = 0; i < 2; i++) {
		int fd = guest (sources[i]);
		expect_ack (fd, 0, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "reserved");
		TURN_UNTIL (at_end (fd));
		cr_assert_eq (counters ()->forbidden, i + 1);
		close (fd);
	}
}

Test (inlet, what_does_not_validate_is_refused_and_the_rest_goes_on)
{
	static char one[] = "n1";
	int fd = guest ("billing");
	Belfry__V1__Event empty = BELFRY__V1__EVENT__INIT;
	send_event (fd, 1, &empty);
	Belfry__V1__Event fabric = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Heartbeat beat = BELFRY__V1__HEARTBEAT__INIT;
	fabric.payload_case = BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT;
	fabric.heartbeat = &beat;
	send_event (fd, 2, &fabric);
	send_log (fd, 3, (Belfry__V1__Severity) 9, NULL);
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	header.subject_node = one;
	send_log (fd, 4, BELFRY__V1__SEVERITY__SEVERITY_INFO, &header);
	Belfry__V1__Event packed = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	double value = 1;
	batch.catalogue_hash = 7;
	batch.values = &value;
	batch.n_values = 1;
	packed.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	packed.metric_batch = &batch;
	send_event (fd, 5, &packed);
	send_flush (fd, 6);
	expect_ack (fd, 6, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "payload");
	cr_assert_eq (counters ()->invalid, 5);
	send_log (fd, 7, BELFRY__V1__SEVERITY__SEVERITY_INFO, &header);
	send_flush (fd, 8);
	expect_ack (fd, 8, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "subject_node");
	send_info (fd, 9);
	send_flush (fd, 10);
	expect_ack (fd, 10, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED, "");
	cr_assert_eq (taken.n, 1);
	cr_assert_eq (counters ()->lost, 0);
	close (fd);
}

Test (inlet, a_components_name_fits_the_collectors_view)
{
	char name[130];
	memset (name, 'n', sizeof name);
	name[129] = '\0';
	int fd = guest ("billing");
	send_health (fd, 1, name, 1);
	send_flush (fd, 2);
	expect_ack (fd, 2, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "128 bytes");
	name[128] = '\0';
	send_health (fd, 3, name, 1);
	TURN_UNTIL (taken.n == 1);
	close (fd);
}

Test (inlet, too_many_labels_are_refused)
{
	static char key[15][4], value[] = "v";
	Belfry__V1__Label labels[15], *list[15];
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	for (size_t i = 0; i < 15; i++) {
		belfry__v1__label__init (&labels[i]);
		snprintf (key[i], sizeof key[i], "k%zu", i);
		labels[i].key = key[i];
		labels[i].value = value;
		list[i] = &labels[i];
	}
	header.labels = list;
	header.n_labels = 15;
	int fd = guest ("billing");
	send_log (fd, 1, BELFRY__V1__SEVERITY__SEVERITY_INFO, &header);
	TURN_UNTIL (counters ()->invalid == 1);
	header.n_labels = 14;
	send_log (fd, 2, BELFRY__V1__SEVERITY__SEVERITY_INFO, &header);
	TURN_UNTIL (taken.n == 1);
	cr_assert_eq (taken.n_labels, 16);
	close (fd);
}

Test (inlet, what_the_agent_does_not_take_is_said)
{
	int fd = guest ("billing");
	taken.answer = -ENOBUFS;
	send_info (fd, 1);
	send_flush (fd, 2);
	expect_ack (fd, 2, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_DROPPED, "other worries");
	cr_assert_eq (counters ()->untaken, 1);
	taken.answer = -EINVAL;
	send_info (fd, 3);
	send_flush (fd, 4);
	expect_ack (fd, 4, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED, "other worries");
	cr_assert_eq (counters ()->invalid, 1);
	cr_assert_eq (counters ()->accepted, 0);
	close (fd);
}

Test (inlet, a_status_that_changed_is_a_change_and_one_that_did_not_is_none)
{
	int fd = guest ("billing");
	send_health (fd, 1, "queue", 1);
	TURN_UNTIL (taken.n == 1);
	cr_assert (taken.changed, "nothing is known before");
	cr_assert_eq (taken.previous, 0);
	uint64_t since = taken.since_ns;
	cr_assert_gt (since, 0);
	send_health (fd, 2, "queue", 1);
	TURN_UNTIL (taken.n == 2);
	cr_assert (!taken.changed);
	cr_assert_eq (taken.previous, 1);
	cr_assert_eq (taken.since_ns, since, "it is so since then");
	send_health (fd, 3, "other", 2);
	send_health (fd, 4, "queue", 2);
	TURN_UNTIL (taken.n == 4);
	cr_assert (taken.changed);
	cr_assert_eq (taken.previous, 1);
	cr_assert_gt (taken.since_ns, since);

	/* A change that the agent did not take is one the next time. */
	taken.answer = -ENOBUFS;
	send_health (fd, 5, "queue", 3);
	TURN_UNTIL (taken.n == 5);
	taken.answer = 0;
	send_health (fd, 6, "queue", 3);
	TURN_UNTIL (taken.n == 6);
	cr_assert (taken.changed);

	/* Beyond what is remembered a report counts as a change. */
	for (uint64_t i = 0; i < 64; i++) {
		char name[16];
		snprintf (name, sizeof name, "c%u", (unsigned) i);
		send_health (fd, 7 + i, name, 1);
		TURN_UNTIL (taken.n == 7 + i);
		cr_assert (taken.changed);
	}
	send_health (fd, 80, "queue", 3);
	TURN_UNTIL (taken.n == 71);
	cr_assert (taken.changed);
	close (fd);
}
