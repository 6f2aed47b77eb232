/* What each call says, and what it refuses. */

#include <criterion/criterion.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/belfry.h"
#include "fake_agent.h"

static fake_agent_t agent;
static belfry_t *app;
static int fd = -1;
static Belfry__V1__AppMessage *message;
static uint64_t n_invalid;

static void setup (void)
{
	fake_agent_make (&agent, true);
	app = belfry_open ("billing", "1.2", agent.path);
	cr_assert_not_null (app);
	uint64_t number = 9;
	fd = fake_accept_hello (&agent, "billing", &number);
	cr_assert_eq (number, 0, "nothing came before it");
}

static void teardown (void)
{
	if (message)
		fake_free (message);
	message = NULL;
	belfry_close (&app);
	cr_assert_null (app);
	close (fd);
	fake_agent_clear (&agent);
}
TestSuite (calls, .init = setup, .fini = teardown);

/* The next message, an event. */
static const Belfry__V1__Event *event_next (void)
{
	if (message)
		fake_free (message);
	message = fake_receive (fd);
	cr_assert_not_null (message);
	cr_assert_eq (message->body_case, BELFRY__V1__APP_MESSAGE__BODY_EVENT);
	return message->event->event;
}

static uint64_t dropped (void)
{
	uint64_t queued, ret;
	belfry_counts (app, &queued, &ret);
	return ret;
}

static void expect_invalid (belfry_outcome_t outcome, const char *word)
{
	char why[256];
	cr_assert_eq (outcome, BELFRY_INVALID);
	cr_assert_eq (belfry_dropped (app, BELFRY_DROP_INVALID), ++n_invalid);
	belfry_last_error (app, why, sizeof why);
	cr_assert_not_null (strstr (why, word), "'%s' lacks '%s'", why, word);
	cr_assert (!fake_pending (fd));
}

Test (open_, refuses_what_is_no_source)
{
	static const char *const bad[] = { "", "a b", "-a", ".", "agent", "collector", "a/b", "\xc3\xa9",
		"a23456789012345678901234567890123" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		cr_expect_null (belfry_open (bad[i], NULL, "/tmp/x"), "'%s'", bad[i]);
		cr_expect_eq (errno, EINVAL);
	}
	cr_assert_null (belfry_open (NULL, NULL, "/tmp/x"));
	belfry_t *longest = belfry_open ("a2345678901234567890123456789012", NULL, "/tmp/belfry-none");
	cr_assert_not_null (longest);
	belfry_close (&longest);
}

Test (open_, refuses_a_path_that_is_too_long_and_an_abstract_one)
{
	char path[200];
	memset (path, 'x', sizeof path);
	path[0] = '/';
	path[108] = '\0';
	errno = 0;
	cr_assert_null (belfry_open ("a", NULL, path));
	cr_assert_eq (errno, ENAMETOOLONG);
	path[107] = '\0';
	belfry_t *longest = belfry_open ("a", NULL, path);
	cr_assert_not_null (longest);
	belfry_close (&longest);
	cr_assert_null (belfry_open ("a", NULL, "@belfry"));
	cr_assert_eq (errno, EINVAL);
}

Test (open_, takes_the_path_from_the_environment)
{
	fake_agent_make (&agent, true);
	setenv ("BELFRY_SOCKET", agent.path, 1);
	belfry_t *self = belfry_open ("a", NULL, NULL);
	int peer = fake_accept_hello (&agent, "a", NULL);
	close (peer);
	belfry_close (&self);
	fake_agent_clear (&agent);
}

Test (open_, every_call_takes_null)
{
	char text[8] = "x";
	uint64_t queued = 1, lost = 1;
	belfry_sample_t sample = { .name = "a" };
	belfry_t *null = NULL;
	belfry_enable (NULL);
	belfry_disable (NULL);
	cr_assert (!belfry_enabled (NULL));
	cr_assert_eq (belfry_lifecycle (NULL, BELFRY_STARTED, NULL), BELFRY_DISABLED);
	cr_assert_eq (belfry_health (NULL, NULL, (belfry_status_t) 99, NULL), BELFRY_DISABLED);
	cr_assert_eq (belfry_gauge (NULL, NULL, 1, NULL), BELFRY_DISABLED);
	cr_assert_eq (belfry_counter (NULL, "a", 1, NULL, 0), BELFRY_DISABLED);
	cr_assert_eq (belfry_samples (NULL, &sample, 1), BELFRY_DISABLED);
	cr_assert_eq (belfry_audit (NULL, "a", "b", NULL, NULL), BELFRY_DISABLED);
	cr_assert_eq (belfry_log (NULL, BELFRY_INFO, NULL, NULL), BELFRY_DISABLED);
	cr_assert_eq (belfry_send (NULL, NULL, 0), BELFRY_DISABLED);
	cr_assert_eq (belfry_flush (NULL, 0), -EINVAL);
	belfry_counts (NULL, &queued, &lost);
	cr_assert (queued == 0 && lost == 0);
	cr_assert_eq (belfry_dropped (NULL, BELFRY_DROP_FULL), 0);
	belfry_last_error (NULL, text, sizeof text);
	cr_assert_str_eq (text, "");
	belfry_close (NULL);
	belfry_close (&null);
}

Test (calls, lifecycle)
{
	cr_assert_eq (belfry_lifecycle (app, BELFRY_STARTED, "ready"), BELFRY_QUEUED);
	const Belfry__V1__Event *event = event_next ();
	cr_assert_eq (message->number, 1);
	cr_assert_eq (event->payload_case, BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE);
	cr_assert_eq ((int) event->system_lifecycle->state, BELFRY_STARTED);
	cr_assert_str_eq (event->system_lifecycle->system, "billing");
	cr_assert_str_eq (event->system_lifecycle->version, "1.2");
	cr_assert_str_eq (event->system_lifecycle->reason, "ready");
	cr_assert_eq ((int) event->header->severity, BELFRY_INFO);
	cr_assert_eq (belfry_lifecycle (app, BELFRY_FAILED, NULL), BELFRY_QUEUED);
	event = event_next ();
	cr_assert_eq (message->number, 2);
	cr_assert_eq ((int) event->header->severity, BELFRY_ERROR);
	expect_invalid (belfry_lifecycle (app, (belfry_lifecycle_t) 6, NULL), "state");
	expect_invalid (belfry_lifecycle (app, (belfry_lifecycle_t) 0, NULL), "state");
}

Test (calls, health)
{
	static const belfry_severity_t severities[] = { BELFRY_INFO, BELFRY_WARNING, BELFRY_ERROR,
		BELFRY_WARNING };
	for (int i = 0; i < 4; i++) {
		cr_assert_eq (
		        belfry_health (app, "queue", (belfry_status_t) (i + 1), "42 wait"), BELFRY_QUEUED);
		const Belfry__V1__Event *event = event_next ();
		cr_assert_eq (event->payload_case, BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH);
		cr_assert_str_eq (event->component_health->component, "queue");
		cr_assert_eq ((int) event->component_health->status, i + 1);
		cr_assert_str_eq (event->component_health->details, "42 wait");
		cr_assert_eq (event->component_health->since_ns, 0, "the agent knows since when");
		cr_assert_eq ((int) event->header->severity, (int) severities[i]);
	}
	expect_invalid (belfry_health (app, "queue", (belfry_status_t) 5, NULL), "status");
	expect_invalid (belfry_health (app, NULL, BELFRY_HEALTHY, NULL), "name");
	expect_invalid (belfry_health (app, "", BELFRY_HEALTHY, NULL), "name");
	expect_invalid (belfry_health (app, "\xff", BELFRY_HEALTHY, NULL), "name");
}

Test (calls, gauge_and_counter)
{
	cr_assert_eq (belfry_gauge (app, "queue_length", 4.5, NULL), BELFRY_QUEUED);
	const Belfry__V1__MetricBatch *batch = event_next ()->metric_batch;
	cr_assert_eq (batch->n_samples, 1);
	cr_assert_str_eq (batch->samples[0]->name, "queue_length");
	cr_assert_str_eq (batch->samples[0]->unit, "");
	cr_assert_eq (batch->samples[0]->kind, BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE);
	cr_assert_eq (batch->samples[0]->value, 4.5);
	cr_assert_eq (batch->samples[0]->start_time_ns, 0);

	cr_assert_eq (belfry_counter (app, "sent_bytes_total", 7, "bytes", 0), BELFRY_QUEUED);
	batch = event_next ()->metric_batch;
	cr_assert_eq (batch->samples[0]->kind, BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER);
	cr_assert_str_eq (batch->samples[0]->unit, "bytes");
	uint64_t opened = batch->samples[0]->start_time_ns;
	cr_assert_gt (opened, 0);
	cr_assert_eq (belfry_counter (app, "sent_bytes_total", 8, "bytes", 0), BELFRY_QUEUED);
	cr_assert_eq (event_next ()->metric_batch->samples[0]->start_time_ns, opened);
	cr_assert_eq (belfry_counter (app, "x_total", 8, "bytes", 77), BELFRY_QUEUED);
	cr_assert_eq (event_next ()->metric_batch->samples[0]->start_time_ns, 77);

	cr_assert_eq (belfry_gauge (app, "nan", NAN, NULL), BELFRY_QUEUED);
	cr_assert (isnan (event_next ()->metric_batch->samples[0]->value));
	expect_invalid (belfry_gauge (app, NULL, 1, NULL), "name");
	expect_invalid (belfry_counter (app, "", 1, NULL, 0), "name");
}

Test (calls, several_samples_are_one_event)
{
	belfry_sample_t samples[BELFRY_SAMPLES_MAX + 1];
	for (size_t i = 0; i < BELFRY_SAMPLES_MAX + 1; i++)
		samples[i] = (belfry_sample_t){ "a", i % 2 ? "bytes" : NULL, (double) i, i % 2 };
	cr_assert_eq (belfry_samples (app, samples, BELFRY_SAMPLES_MAX), BELFRY_QUEUED);
	const Belfry__V1__MetricBatch *batch = event_next ()->metric_batch;
	cr_assert_eq (batch->n_samples, BELFRY_SAMPLES_MAX);
	cr_assert_eq (batch->samples[63]->value, 63);
	cr_assert_eq (batch->samples[63]->kind, BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER);
	cr_assert (!fake_pending (fd));
	expect_invalid (belfry_samples (app, samples, BELFRY_SAMPLES_MAX + 1), "64");
	expect_invalid (belfry_samples (app, samples, 0), "64");
	expect_invalid (belfry_samples (app, NULL, 1), "64");
	samples[2].name = "\xff";
	expect_invalid (belfry_samples (app, samples, 3), "name");
	samples[2].name = "a";
	samples[1].unit = "\xff";
	expect_invalid (belfry_samples (app, samples, 3), "unit");
}

Test (calls, audit)
{
	cr_assert_eq (belfry_audit (app, "ann\xff", "drop", "table t", "by hand"), BELFRY_QUEUED);
	const Belfry__V1__Event *event = event_next ();
	cr_assert_eq (event->payload_case, BELFRY__V1__EVENT__PAYLOAD_ADMIN_ACTION);
	cr_assert_str_eq (event->admin_action->actor, "ann?", "kept, and valid");
	cr_assert_str_eq (event->admin_action->action, "drop");
	cr_assert_str_eq (event->admin_action->target, "table t");
	cr_assert_str_eq (event->admin_action->details, "by hand");
	expect_invalid (belfry_audit (app, NULL, "drop", NULL, NULL), "who");
	expect_invalid (belfry_audit (app, "ann", "", NULL, NULL), "who");
}

Test (calls, log)
{
	cr_assert_eq (belfry_log (app, BELFRY_ERROR, "db", "no route"), BELFRY_QUEUED);
	const Belfry__V1__Event *event = event_next ();
	cr_assert_eq (event->payload_case, BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY);
	cr_assert_eq ((int) event->log_entry->level, BELFRY_ERROR);
	cr_assert_eq ((int) event->header->severity, BELFRY_ERROR);
	cr_assert_str_eq (event->log_entry->logger, "db");
	cr_assert_str_eq (event->log_entry->message, "no route");
	cr_assert_eq (event->log_entry->pid, (uint32_t) getpid ());
	expect_invalid (belfry_log (app, (belfry_severity_t) 6, NULL, "x"), "level");
	expect_invalid (belfry_log (app, BELFRY_INFO, NULL, NULL), "message");
	expect_invalid (belfry_log (app, BELFRY_INFO, NULL, ""), "message");
}

Test (calls, a_sentence_is_repaired_and_cut_at_a_character)
{
	char text[9000];
	cr_assert_eq (belfry_log (app, BELFRY_INFO, NULL, "a\xff\xc3(z"), BELFRY_QUEUED);
	cr_assert_str_eq (event_next ()->log_entry->message, "a?"
	                                                     "?(z");

	/* The longest that fits is borrowed as it is. */
	memset (text, 'x', 8191);
	text[8191] = '\0';
	cr_assert_eq (belfry_log (app, BELFRY_INFO, NULL, text), BELFRY_QUEUED);
	cr_assert_str_eq (event_next ()->log_entry->message, text);

	/* An e with an acute accent lies across the cut, whichever way it falls. */
	for (size_t shift = 0; shift < 2; shift++) {
		memset (text, 'x', sizeof text);
		for (size_t i = shift; i + 1 < sizeof text; i += 2)
			memcpy (text + i, "\xc3\xa9", 2);
		text[8900] = '\0';
		cr_assert_eq (belfry_log (app, BELFRY_INFO, NULL, text), BELFRY_QUEUED);
		const char *got = event_next ()->log_entry->message;
		size_t size = strlen (got);
		cr_assert (size >= 8188 && size <= 8191, "%zu", size);
		cr_assert_str_eq (got + size - 3, "...");
		cr_assert_null (strchr (got, '?'), "no character was torn");
		cr_assert_eq (strncmp (got, text, size - 3), 0);
	}
}

Test (calls, a_name_is_not_cut)
{
	char name[300];
	memset (name, 'n', sizeof name);
	name[256] = '\0';
	expect_invalid (belfry_gauge (app, name, 1, NULL), "255");
	expect_invalid (belfry_log (app, BELFRY_INFO, name, "x"), "255");
	name[255] = '\0';
	cr_assert_eq (belfry_gauge (app, name, 1, NULL), BELFRY_QUEUED);
	cr_assert_str_eq (event_next ()->metric_batch->samples[0]->name, name);
	name[129] = '\0';
	expect_invalid (belfry_health (app, name, BELFRY_HEALTHY, NULL), "128");
	name[128] = '\0';
	cr_assert_eq (belfry_health (app, name, BELFRY_HEALTHY, NULL), BELFRY_QUEUED);
	cr_assert_str_eq (event_next ()->component_health->component, name);
}

Test (calls, send_takes_any_event_and_no_other_bytes)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Throughput body = BELFRY__V1__THROUGHPUT__INIT;
	static char operation[] = "pay";
	uint8_t bytes[256];
	body.operation = operation;
	body.count = 3;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_THROUGHPUT;
	event.throughput = &body;
	size_t size = belfry__v1__event__pack (&event, bytes);
	cr_assert_eq (belfry_send (app, bytes, size), BELFRY_QUEUED);
	cr_assert_eq (event_next ()->throughput->count, 3);
	expect_invalid (belfry_send (app, bytes, size - 1), "Event");
	expect_invalid (belfry_send (app, NULL, 1), "Event");

	char *big = calloc (1, 70000);
	cr_assert_not_null (big);
	memset (big, 'x', 69999);
	body.operation = big;
	uint8_t *packed = malloc (80000);
	cr_assert_not_null (packed);
	size = belfry__v1__event__pack (&event, packed);
	expect_invalid (belfry_send (app, packed, size), "64000");
	big[63900] = '\0';
	size = belfry__v1__event__pack (&event, packed);
	cr_assert_eq (belfry_send (app, packed, size), BELFRY_QUEUED);
	cr_assert_eq (strlen (event_next ()->throughput->operation), 63900);
	free (packed);
	free (big);
}

Test (calls, disabled_sends_nothing_and_counts_nothing)
{
	cr_assert (belfry_enabled (app));
	belfry_disable (app);
	cr_assert (!belfry_enabled (app));
	cr_assert_eq (belfry_log (app, BELFRY_CRITICAL, NULL, "x"), BELFRY_DISABLED);
	cr_assert_eq (belfry_health (app, NULL, (belfry_status_t) 9, NULL), BELFRY_DISABLED, "asked first");
	cr_assert_eq (belfry_audit (app, NULL, NULL, NULL, NULL), BELFRY_DISABLED);
	cr_assert_eq (belfry_gauge (app, NULL, 1, NULL), BELFRY_DISABLED);
	cr_assert_eq (belfry_send (app, NULL, 0), BELFRY_DISABLED);
	cr_assert_eq (belfry_lifecycle (app, (belfry_lifecycle_t) 9, NULL), BELFRY_DISABLED);
	cr_assert_eq (dropped (), 0);
	cr_assert (!fake_pending (fd));
	belfry_enable (app);
	cr_assert (belfry_enabled (app));
	cr_assert_eq (belfry_log (app, BELFRY_INFO, NULL, "x"), BELFRY_QUEUED);
	event_next ();
	cr_assert_eq (message->number, 1, "no hole is left");
}
