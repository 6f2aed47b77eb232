/* An operator's event: made of words, handed to an agent that is here the test's, and its answer. */

#include "capture.h"

#include <pthread.h>
#include <unistd.h>

#include "fake_agent.h"

static fake_agent_t agent;
static capture_t capture;

/* What the agent saw, and what it answers to the flush. */
static struct {
	Belfry__V1__AppOutcome outcome;
	const char *reason;
	Belfry__V1__AppMessage *event;
	char source[40];
} seen;

static void *agent_run (void *arg)
{
	int fd = fake_accept (&agent);
	Belfry__V1__AppMessage *message;
	(void) arg;
	while ((message = fake_receive (fd))) {
		if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_HELLO)
			snprintf (seen.source, sizeof seen.source, "%s", message->hello->source);
		else if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_FLUSH)
			fake_ack (fd, message->number, seen.outcome, seen.reason);
		if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_EVENT && !seen.event)
			seen.event = message;
		else
			fake_free (message);
	}
	close (fd);
	return NULL;
}

static void setup (void)
{
	fake_agent_make (&agent, true);
	setenv ("BELFRY_SOCKET", agent.path, 1);
	seen.outcome = BELFRY__V1__APP_OUTCOME__APP_OUTCOME_COMMITTED;
	seen.reason = "";
}

static void teardown (void)
{
	if (seen.event)
		fake_free (seen.event);
	fake_agent_clear (&agent);
}
TestSuite (send, .init = setup, .fini = teardown);
/* With the agent there. */
#define RUN_WITH_AGENT(status, ...)                                                                 \
	do {                                                                                        \
		pthread_t thread_;                                                                  \
		cr_assert_eq (pthread_create (&thread_, NULL, agent_run, NULL), 0);                 \
		cr_assert_eq (RUN ("send", __VA_ARGS__), status, "%s%s", capture.out, capture.err); \
		pthread_join (thread_, NULL);                                                       \
	} while (0)

Test (send, words_become_an_event)
{
	RUN_WITH_AGENT (0, "health", "componenthealth", "component=billing", "status=degraded",
	        "details=42 wait", "--correlation", "order-7", "--severity=warning");
	cr_assert_str_eq (seen.source, "operator");
	const Belfry__V1__Event *event = seen.event->event->event;
	cr_assert_eq (event->payload_case, BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH);
	cr_assert_str_eq (event->component_health->component, "billing");
	cr_assert_eq (event->component_health->status, BELFRY__V1__STATUS__STATUS_DEGRADED);
	cr_assert_str_eq (event->component_health->details, "42 wait");
	cr_assert_str_eq (event->header->correlation_id, "order-7");
	cr_assert_eq (event->header->severity, BELFRY__V1__SEVERITY__SEVERITY_WARNING);
	EXPECT_HAS (capture.out, "sent ComponentHealth component=billing status=degraded");
}

Test (send, paths_units_and_the_payloads_own_severity)
{
	RUN_WITH_AGENT (0, "metrics", "Latency", "operation=pay", "sample_count=3", "p99_ns=12ms", "--source",
	        "billing");
	cr_assert_str_eq (seen.source, "billing");
	cr_assert_eq (seen.event->event->event->latency->p99_ns, 12000000);
	fake_free (seen.event);
	seen.event = NULL;
	RUN_WITH_AGENT (0, "metrics", "MetricBatch", "samples.0.name=q", "samples.0.kind=gauge",
	        "samples.0.value=4.5", "samples.0.labels.queue=a");
	const Belfry__V1__Sample *sample = seen.event->event->event->metric_batch->samples[0];
	cr_assert_eq (sample->value, 4.5);
	cr_assert_str_eq (sample->labels[0]->key, "queue");
	fake_free (seen.event);
	seen.event = NULL;
	RUN_WITH_AGENT (0, "logging", "LogEntry", "level=error", "message=no route");
	cr_assert_eq (seen.event->event->event->header->severity, BELFRY__V1__SEVERITY__SEVERITY_ERROR);
}

Test (send, json_comes_from_standard_input)
{
	int ends[2];
	static const char text[] = "{\"level\":\"warning\",\"message\":\"disk is slow\"}";
	cr_assert_eq (pipe (ends), 0);
	cr_assert_eq (write (ends[1], text, sizeof text - 1), (ssize_t) sizeof text - 1);
	close (ends[1]);
	cr_assert_eq (dup2 (ends[0], STDIN_FILENO), STDIN_FILENO);
	close (ends[0]);
	RUN_WITH_AGENT (0, "logging", "LogEntry", "--json", "-");
	cr_assert_str_eq (seen.event->event->event->log_entry->message, "disk is slow");
}

Test (send, what_the_agent_refuses_is_exit_status_4)
{
	seen.outcome = BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED;
	seen.reason = "audit and security events come from the uids in audit_uids only";
	RUN_WITH_AGENT (4, "audit", "AdminAction", "actor=ann", "action=drop");
	EXPECT_HAS (capture.err, "audit_uids");
	cr_assert_str_eq (capture.out, "");
	seen.outcome = BELFRY__V1__APP_OUTCOME__APP_OUTCOME_DROPPED;
	seen.reason = "the agent has other worries";
	RUN_WITH_AGENT (4, "logging", "LogEntry", "level=info", "message=x");
	EXPECT_HAS (capture.err, "other worries");
}

Test (send, without_an_agent_it_is_exit_status_3)
{
	fake_agent_die (&agent);
	cr_assert_eq (RUN ("send", "logging", "LogEntry", "level=info", "message=x"), 3);
	EXPECT_HAS (capture.err, agent.path);
	EXPECT_HAS (capture.err, "Connection refused");
	EXPECT_HAS (capture.err, "belfry-agent");
}

Test (send, what_is_wrong_with_the_words_is_said_with_the_nearest)
{
	static const struct {
		const char *args[5], *word;
	} cases[] = {
		{ { "send", "logging" }, "send what?" },
		{ { "send", "loging", "LogEntry" }, "did you mean 'logging'?" },
		{ { "send", "fabric", "Heartbeat" }, "no channel" },
		{ { "send", "logging", "LogEntri" }, "did you mean 'LogEntry'?" },
		{ { "send", "logging", "LogEntry", "mesage=x" }, "message" },
		{ { "send", "logging", "LogEntry", "level=info" }, "message is missing" },
		{ { "send", "logging", "LogEntry", "level=loud", "message=x" }, "loud" },
		{ { "send", "logging", "LogEntry", "message" }, "=" },
		{ { "send", "--list", "nope" }, "nope" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t argc = 0;
		while (argc < 5 && cases[i].args[argc])
			argc++;
		cr_assert_eq (capture_run (&capture, argc, cases[i].args), 2, "%s", capture.err);
		EXPECT_HAS (capture.err, cases[i].word);
	}
}

Test (send, a_source_or_a_socket_that_is_none_is_said_as_what_it_is)
{
	cr_assert_eq (RUN ("send", "logging", "LogEntry", "level=info", "message=x", "--source", "a b"), 2);
	EXPECT_HAS (capture.err, "--source a b");
	cr_assert_eq (RUN ("send", "logging", "LogEntry", "level=info", "message=x", "--source", "agent"), 2);
	setenv ("BELFRY_SOCKET", "@belfry", 1);
	cr_assert_eq (RUN ("send", "logging", "LogEntry", "level=info", "message=x"), 2);
	EXPECT_HAS (capture.err, "@belfry");
	EXPECT_LACKS (capture.err, "--source");
}

Test (send, list_shows_every_type_and_its_fields)
{
	cr_assert_eq (RUN ("send", "--list"), 0);
	expect_tidy (capture.out, 0, false);
	static const char *const words[] = { "LogEntry", "NodeHealth", "SessionEvent", "ComplianceEvent",
		"message" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		EXPECT_HAS (capture.out, words[i]);
	EXPECT_LACKS (capture.out, "Heartbeat");
	cr_assert_eq (RUN ("send", "--list", "logentry"), 0);
	EXPECT_HAS (capture.out, "level");
	EXPECT_LACKS (capture.out, "NodeHealth");
}
