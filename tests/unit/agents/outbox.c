#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/outbox.h"
#include "wire/envelope.h"
#include "wire/topic.h"

enum { SEEN_MAX = HOLD_EVENTS_MAX + 100 };

static demand_t *demand;
static outbox_t *outbox;
static Belfry__V1__Event *seen[SEEN_MAX];
static char topics[SEEN_MAX][TOPIC_SIZE_MAX + 1];
static size_t n_seen;
static err_t err;

static moment_t at (int64_t ms)
{
	return (moment_t){ { 100 * NS_PER_S + ms * NS_PER_MS }, { 1700000000 * NS_PER_S + ms * NS_PER_MS } };
}

static void emit (void *arg, span_t topic, span_t bytes)
{
	(void) arg;
	envelope_t envelope;
	cr_assert_lt (n_seen, SEEN_MAX);
	cr_assert_eq (envelope_parse (bytes.data, bytes.size, &envelope), REFUSAL_NONE);
	memcpy (topics[n_seen], topic.data, topic.size);
	seen[n_seen] = belfry__v1__event__unpack (NULL, envelope.event.size, envelope.event.data);
	cr_assert_not_null (seen[n_seen]);
	n_seen++;
}

static void setup (void)
{
	publisher_options_t options = { "demo", "n1", 7, 42, at (0).mono, NULL };
	cr_assert_eq (demand_new ("demo", "n1", &demand), 0);
	cr_assert_eq (outbox_new (&options, demand, emit, NULL, &outbox, &err), 0, "%s", err.text);
}

static void teardown (void)
{
	for (size_t i = 0; i < n_seen; i++)
		belfry__v1__event__free_unpacked (seen[i], NULL);
	outbox_destroy (&outbox);
	demand_destroy (&demand);
	cr_assert_null (outbox);
}
TestSuite (outbox, .init = setup, .fini = teardown);

static char text[64] = "agent";

static int send_log (Belfry__V1__Severity level, const char *message, moment_t when)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	snprintf (text, sizeof text, "%s", message);
	entry.level = level;
	entry.message = text;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	return outbox_send (outbox, &event, &(publisher_note_t){ .source = "app" }, when, &err);
}

/* As the spool does it, at once. */
static int on_numbered (void *arg, const spool_item_t *item)
{
	(void) arg;
	outbox_emit (outbox, item);
	return 0;
}

static void deliver (void)
{
	if (outbox_is_open (outbox))
		outbox_number (outbox, HOLD_EVENTS_MAX, on_numbered, NULL);
}

static void open_gate (void)
{
	outbox_open (outbox);
	deliver ();
}

static int send_lifecycle (moment_t when)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle body = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	body.state = BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED;
	body.system = text;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &body;
	int r = outbox_send (outbox, &event, NULL, when, &err);
	deliver ();
	return r;
}

static int send_audit (void)
{
	static char who[] = "eve", what[] = "door";
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AccessLog body = BELFRY__V1__ACCESS_LOG__INIT;
	body.actor = who;
	body.resource = what;
	body.action = what;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ACCESS_LOG;
	event.access_log = &body;
	return outbox_send (outbox, &event, &(publisher_note_t){ .source = "app" }, at (1), &err);
}

#define ERROR BELFRY__V1__SEVERITY__SEVERITY_ERROR
#define INFO BELFRY__V1__SEVERITY__SEVERITY_INFO
#define DEBUG BELFRY__V1__SEVERITY__SEVERITY_DEBUG

Test (outbox, before_anybody_hears_durable_events_wait_and_volatile_ones_are_not_made)
{
	cr_assert_eq (send_lifecycle (at (1)), 0);
	cr_assert_eq (send_log (INFO, "hello", at (2)), OUTBOX_E_UNHEARD);
	cr_assert_eq (send_log (DEBUG, "hello", at (2)), OUTBOX_E_UNHEARD);
	cr_assert_eq (n_seen, 0);
	cr_assert_eq (hold_count (outbox_hold (outbox)), 1);
	cr_assert_eq (outbox_counters (outbox)->held, 1);
	cr_assert_eq (outbox_counters (outbox)->unheard, 2);
}

Test (outbox, what_waited_goes_in_order_under_its_own_time_when_the_gate_opens)
{
	send_lifecycle (at (10));
	send_log (ERROR, "broken", at (20));
	open_gate ();
	cr_assert_eq (n_seen, 2);
	cr_assert_eq (seen[0]->payload_case, BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE);
	cr_assert_eq (seen[0]->header->sequence, 1);
	cr_assert_eq (seen[0]->header->time_ns, (uint64_t) at (10).wall.ns);
	cr_assert_eq (seen[0]->header->monotonic_ns, 10 * NS_PER_MS);
	cr_assert_str_eq (topics[0], "system/lifecycle/demo/n1/agent/");
	cr_assert_eq (seen[1]->header->sequence, 2);
	cr_assert_str_eq (seen[1]->log_entry->message, "broken");
	cr_assert_str_eq (topics[1], "logging/error/demo/n1/app/");
	cr_assert_eq (hold_count (outbox_hold (outbox)), 0);
	cr_assert_eq (hold_bytes (outbox_hold (outbox)), 0);
	open_gate ();
	cr_assert_eq (n_seen, 2, "released twice");
}

Test (outbox, an_open_gate_lets_through_and_a_shut_one_holds_again)
{
	open_gate ();
	cr_assert_eq (send_log (INFO, "a", at (1)), 0);
	cr_assert_eq (send_lifecycle (at (2)), 0);
	cr_assert_eq (n_seen, 2);
	outbox_shut (outbox);
	cr_assert_eq (send_lifecycle (at (3)), 0);
	cr_assert_eq (n_seen, 2);
	open_gate ();
	cr_assert_eq (n_seen, 3);
	cr_assert_eq (seen[2]->header->sequence, 2);
}

Test (outbox, on_demand_events_leave_only_while_somebody_listens)
{
	open_gate ();
	cr_assert_eq (send_log (DEBUG, "x", at (1)), OUTBOX_E_UNHEARD);
	demand_note (demand, span_str ("\1logging/debug/"));
	cr_assert_eq (send_log (DEBUG, "x", at (2)), 0);
	cr_assert_eq (seen[0]->header->sequence, 0);
	cr_assert_eq (seen[0]->header->class_, BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND);
}

Test (outbox, a_full_hold_drops_the_lowest_priority_first_and_leaves_their_numbers_out)
{
	char message[32];
	cr_assert_eq (send_lifecycle (at (1)), 0);
	for (int i = 1; i < HOLD_EVENTS_MAX; i++) {
		snprintf (message, sizeof message, "log %d", i);
		cr_assert_eq (send_log (ERROR, message, at (1)), 0);
	}
	cr_assert_eq (send_audit (), OUTBOX_E_DROPPED, "it took a log's place");
	cr_assert_eq (send_log (ERROR, "newest", at (1)), OUTBOX_E_DROPPED, "it took the oldest log's place");
	cr_assert_eq (hold_count (outbox_hold (outbox)), HOLD_EVENTS_MAX);
	cr_assert_eq (outbox_counters (outbox)->dropped, 2);
	open_gate ();
	cr_assert_eq (n_seen, HOLD_EVENTS_MAX);
	cr_assert_eq (seen[0]->header->sequence, 3, "those that were dropped have the places before it");
	cr_assert_eq (seen[0]->payload_case, BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE, "a log went first");
	cr_assert_str_eq (seen[1]->log_entry->message, "log 3");
	cr_assert_str_eq (seen[HOLD_EVENTS_MAX - 1]->log_entry->message, "newest");
	cr_assert_eq (send_lifecycle (at (200)), 0);
	cr_assert_eq (seen[HOLD_EVENTS_MAX]->header->sequence, HOLD_EVENTS_MAX + 3, "once");
}

Test (outbox, a_log_does_not_push_an_audit_event_out)
{
	for (int i = 0; i < HOLD_EVENTS_MAX; i++)
		cr_assert_eq (send_audit (), 0, "%s", err.text);
	cr_assert_eq (send_log (ERROR, "x", at (1)), OUTBOX_E_DROPPED);
	open_gate ();
	for (size_t i = 1; i < n_seen; i++)
		cr_assert_eq (seen[i]->payload_case, BELFRY__V1__EVENT__PAYLOAD_ACCESS_LOG);
}

Test (outbox, another_incarnation_counts_from_one_and_keeps_what_was_held)
{
	open_gate ();
	send_lifecycle (at (1));
	outbox_shut (outbox);
	send_lifecycle (at (2));
	send_lifecycle (at (2));
	outbox_set_incarnation (outbox, 8, 43, at (1000).mono);
	open_gate ();
	cr_assert_eq (n_seen, 3);
	cr_assert_eq (seen[1]->header->incarnation, 8);
	cr_assert_eq (seen[1]->header->boot_nonce, 43);
	cr_assert_eq (seen[1]->header->sequence, 1);
	cr_assert_lt (seen[1]->header->monotonic_ns, NS_PER_S, "not negative");
	cr_assert_gt (seen[2]->header->monotonic_ns, seen[1]->header->monotonic_ns);
}

Test (outbox, no_two_events_have_the_same_age)
{
	open_gate ();
	send_lifecycle (at (5));
	send_lifecycle (at (5));
	send_lifecycle (at (4));
	cr_assert_gt (seen[1]->header->monotonic_ns, seen[0]->header->monotonic_ns);
	cr_assert_gt (seen[2]->header->monotonic_ns, seen[1]->header->monotonic_ns);
}

Test (outbox, what_does_not_validate_is_refused_at_once_even_if_it_would_wait)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	cr_assert_eq (outbox_send (outbox, &event, NULL, at (1), &err), -EINVAL, "no payload");
	Belfry__V1__SystemLifecycle body = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &body;
	cr_assert_eq (outbox_send (outbox, &event, NULL, at (1), &err), -EINVAL);
	cr_assert (strstr (err.text, "state"), "%s", err.text);
	open_gate ();
	cr_assert_eq (outbox_send (outbox, &event, NULL, at (3), &err), -EINVAL);
	cr_assert_eq (outbox_counters (outbox)->refused, 3);
	cr_assert_eq (send_lifecycle (at (4)), 0);
	cr_assert_eq (seen[0]->header->sequence, 1, "a refused event uses no sequence");
}

Test (outbox, what_goes_under_this_number_from_an_older_one_leaves_volatile_sequences_and_the_clock_alone)
{
	open_gate ();
	cr_assert_eq (send_log (INFO, "a", at (1)), 0);
	cr_assert_eq (send_lifecycle (at (2)), 0);
	outbox_skip (outbox, 12);
	outbox_skip (outbox, 4);
	cr_assert_eq (send_log (INFO, "b", at (3)), 0);
	cr_assert_eq (send_lifecycle (at (4)), 0);
	cr_assert_eq (seen[2]->header->sequence, 2, "volatile ones go on");
	cr_assert_eq (seen[2]->header->monotonic_ns, 3 * NS_PER_MS);
	cr_assert_eq (seen[3]->header->sequence, 13, "what is used is not used again");
}

static int on_numbered_only (void *arg, const spool_item_t *item)
{
	(void) item;
	return arg ? -ENOMEM : 0;
}

Test (outbox, a_beat_names_only_what_is_committed)
{
	outbox_open (outbox);
	cr_assert_eq (send_log (ERROR, "a", at (1)), 0);
	cr_assert_eq (send_log (ERROR, "b", at (2)), 0);
	cr_assert_eq (outbox_number (outbox, 1, on_numbered_only, NULL), 1);
	cr_assert_eq (outbox_committed (outbox), 0, "the disk has not said so");
	deliver ();
	cr_assert_eq (outbox_committed (outbox), 2);
	outbox_shut (outbox);
	outbox_set_incarnation (outbox, 8, 43, at (3).mono);
	cr_assert_eq (outbox_committed (outbox), 0);
}

Test (outbox, what_could_not_be_kept_is_counted_and_its_number_is_not_used_again)
{
	static int failing;
	outbox_open (outbox);
	cr_assert_eq (send_log (ERROR, "a", at (1)), 0);
	cr_assert_eq (send_log (ERROR, "b", at (2)), 0);
	outbox_number (outbox, HOLD_EVENTS_MAX, on_numbered_only, &failing);
	deliver ();
	cr_assert_eq (n_seen, 1);
	cr_assert_eq (seen[0]->header->sequence, 2);
	cr_assert_eq (outbox_counters (outbox)->dropped, 1);
}
