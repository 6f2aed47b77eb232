/* The collector's status for people, scripts and Nagios, made of one answer. */

#include "capture.h"

#include <jansson.h>

#include "base/clock.h"
#include "cli/status_view.h"

static capture_t capture;
static buffer_t line;

static void teardown (void)
{
	buffer_free (&line);
	if (capture.output.out)
		capture_end (&capture);
}
TestSuite (status, .fini = teardown);

#define NOW_NS (UINT64_C (1790000000) * (uint64_t) NS_PER_S)
#define AGO(s) (NOW_NS - (uint64_t) (s) *NS_PER_S)

static char cluster[] = "demo", collector[] = "c1", version[] = "0.1.0", names[3][8] = { "n1", "n2", "n3" },
            data[] = "data", queue[] = "queue", stuck[] = "42 wait",
            silent[] = "silent at collector.c1, n1, n3 for 0.8 s", nothing[] = "no answer to a connect",
            host_down[] = "HostDown", summary[] = "n2 does not answer", fingerprint[] = "9f3c",
            reason[] = "mac", cpu[] = "cpu_used_ratio", load[] = "load1";

static Belfry__V1__StatusReply reply;
static Belfry__V1__NodeView nodes[3], *node_list[] = { &nodes[0], &nodes[1], &nodes[2] };
static Belfry__V1__ComponentView components[2], *component_list[] = { &components[0], &components[1] };
static Belfry__V1__PeerView peers[2], *peer_list[] = { &peers[0], &peers[1] };
static Belfry__V1__Alert alert, *alert_list[] = { &alert };
static Belfry__V1__Refusal refusal, *refusal_list[] = { &refusal };
static char address[] = "127.0.0.1:4711";
static Belfry__V1__Subscriber subscriber, *subscriber_list[] = { &subscriber };
static Belfry__V1__Sample figures[2], *figure_list[] = { &figures[0], &figures[1] };
static char *evidence[] = { silent, nothing };

/* n1 is well, n2 is down with its host, n3 was never heard. */
static void reply_make (void)
{
	belfry__v1__status_reply__init (&reply);
	reply.cluster = cluster;
	reply.collector = collector;
	reply.version = version;
	reply.status = BELFRY__V1__STATUS__STATUS_DEGRADED;
	reply.quorum = BELFRY__V1__QUORUM__QUORUM_AVAILABLE;
	reply.now_ns = NOW_NS;
	reply.started_ns = AGO (3600);
	for (int i = 0; i < 3; i++) {
		belfry__v1__node_view__init (&nodes[i]);
		nodes[i].name = names[i];
		nodes[i].version = version;
	}
	for (int i = 0; i < 2; i++) {
		belfry__v1__component_view__init (&components[i]);
		components[i].since_ns = AGO (60);
		belfry__v1__peer_view__init (&peers[i]);
		peers[i].node = names[i + 1];
		belfry__v1__sample__init (&figures[i]);
	}
	nodes[0].state = BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE;
	nodes[0].status = BELFRY__V1__STATUS__STATUS_HEALTHY;
	nodes[0].since_ns = AGO (600);
	nodes[0].last_seen_ms = 120;
	nodes[0].incarnation = 7;
	nodes[0].received = 1234;
	nodes[0].lost_volatile = 3;
	components[0].name = data;
	components[0].status = BELFRY__V1__STATUS__STATUS_HEALTHY;
	components[1].name = queue;
	components[1].status = BELFRY__V1__STATUS__STATUS_DEGRADED;
	components[1].details = stuck;
	nodes[0].components = component_list;
	nodes[0].n_components = 2;
	peers[0].state = BELFRY__V1__PEER_STATE__PEER_STATE_SILENT;
	peers[1].state = BELFRY__V1__PEER_STATE__PEER_STATE_OK;
	peers[1].rtt_ns = 210000;
	nodes[0].peers = peer_list;
	nodes[0].n_peers = 2;
	figures[0].name = cpu;
	figures[0].value = 0.96;
	figures[1].name = load;
	figures[1].value = 1.5;
	nodes[0].figures = figure_list;
	nodes[0].n_figures = 2;
	nodes[1].state = BELFRY__V1__NODE_STATE__NODE_STATE_DOWN;
	nodes[1].kind = BELFRY__V1__NODE_KIND__NODE_KIND_HOST;
	nodes[1].status = BELFRY__V1__STATUS__STATUS_UNKNOWN;
	nodes[1].since_ns = AGO (12);
	nodes[1].last_seen_ms = 12800;
	nodes[1].incarnation = 2;
	nodes[1].evidence = evidence;
	nodes[1].n_evidence = 2;
	nodes[2].state = BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN;
	nodes[2].status = BELFRY__V1__STATUS__STATUS_UNKNOWN;
	reply.nodes = node_list;
	reply.n_nodes = 3;
	belfry__v1__alert__init (&alert);
	alert.fingerprint = fingerprint;
	alert.name = host_down;
	alert.node = names[1];
	alert.state = BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING;
	alert.severity = BELFRY__V1__SEVERITY__SEVERITY_CRITICAL;
	alert.summary = summary;
	alert.starts_ns = AGO (11);
	reply.alerts = alert_list;
	reply.n_alerts = 1;
	belfry__v1__refusal__init (&refusal);
	refusal.reason = reason;
	refusal.count = 5;
	belfry__v1__subscriber__init (&subscriber);
	subscriber.address = address;
	subscriber.queued_bytes = UINT64_C (3) << 20;
	subscriber.subscriptions = 2;
	subscriber.since_ns = AGO (90);
	reply.subscribers = subscriber_list;
	reply.n_subscribers = 1;
	reply.refusals = refusal_list;
	reply.n_refusals = 1;
}

static const char *text (const char *node, int columns)
{
	capture_begin (&capture, columns, false);
	cr_assert_eq (status_text (&capture.output, &reply, node), 0);
	return capture_out (&capture);
}

Test (status, text_shows_the_cluster_its_nodes_and_what_is_wrong)
{
	reply_make ();
	const char *out = text (NULL, 0);
	expect_tidy (out, 0, false);
	cr_assert_str_eq (out, "cluster demo is degraded, quorum available, 1 of 3 nodes alive\n"
	                       "collector c1 0.1.0, up 1h\n"
	                       "\n"
	                       "NODE  STATE        STATUS   CPU  LOAD    RTT  LOST  SINCE   SEEN\n"
	                       "n1    alive        healthy  96%  1.50  210us     3    10m  120ms\n"
	                       "n2    down (host)  unknown                       0    12s  12.8s\n"
	                       "n3    unknown      unknown                       0         never\n"
	                       "\n"
	                       "NODE  COMPONENT  STATUS    SINCE  DETAILS\n"
	                       "n1    queue      degraded     1m  42 wait\n"
	                       "\n"
	                       "1 component is healthy\n"
	                       "\n"
	                       "SEVERITY  STATE   SINCE  NODE  ALERT     SUMMARY\n"
	                       "critical  firing    11s  n2    HostDown  n2 does not answer\n"
	                       "\n"
	                       "refused: mac 5\n");
}

Test (status, text_names_a_subscriber_that_does_not_keep_up_and_no_other)
{
	reply_make ();
	cr_assert_null (strstr (text (NULL, 0), "127.0.0.1:4711"));
	capture_end (&capture);
	subscriber.slow = true;
	const char *out = text (NULL, 0);
	expect_tidy (out, 0, false);
	cr_assert_not_null (strstr (out, "SLOW SUBSCRIBER  SUBSCRIPTIONS  SINCE  QUEUED\n"
	                                 "127.0.0.1:4711               2   1.5m  3.0MiB\n"),
	        "%s", out);
}

Test (status, text_fits_a_terminal)
{
	reply_make ();
	expect_tidy (text (NULL, 60), 62, false);
	EXPECT_HAS (capture_out (&capture), "HostDown");
	EXPECT_LACKS (capture_out (&capture), "LOAD");
}

Test (status, text_of_one_node_says_why_and_whom_it_sees)
{
	reply_make ();
	reply.n_nodes = 1;
	const char *out = text ("n1", 0);
	EXPECT_LACKS (out, "cluster demo");
	EXPECT_HAS (out, "incarnation 7, version 0.1.0; 1234 received");
	EXPECT_HAS (out, "SEES  STATE     RTT  LAST ANSWER\n");
	EXPECT_HAS (out, "n1    data       healthy");
	node_list[0] = &nodes[1];
	capture_end (&capture);
	out = text ("n2", 0);
	EXPECT_HAS (out, "why: silent at collector.c1, n1, n3 for 0.8 s\n     no answer to a connect\n");
	expect_tidy (out, 0, false);
	node_list[0] = &nodes[0];
}

Test (status, text_of_an_empty_cluster)
{
	reply_make ();
	reply.n_nodes = reply.n_alerts = reply.n_refusals = 0;
	reply.insecure = true;
	const char *out = text (NULL, 0);
	EXPECT_HAS (out, "0 of 0 nodes alive");
	EXPECT_HAS (out, "no node has been heard yet");
	EXPECT_HAS (out, "no alerts");
	EXPECT_HAS (out, "insecure");
}

Test (status, text_gives_nothing_raw_to_a_terminal)
{
	static char nasty[] = "x\033[2J";
	reply_make ();
	reply.cluster = reply.collector = reply.version = nasty;
	nodes[0].name = nodes[0].version = components[1].details = alert.summary = refusal.reason = nasty;
	evidence[0] = nasty;
	expect_tidy (text (NULL, 80), 0, false);
	capture_end (&capture);
	reply.n_nodes = 1;
	nodes[0].evidence = evidence;
	nodes[0].n_evidence = 1;
	expect_tidy (text ("x", 80), 0, false);
	evidence[0] = silent;
}

static json_t *json_of (const json_t *object, const char *key)
{
	json_t *value = json_object_get (object, key);
	cr_assert_not_null (value, "'%s' is missing", key);
	return value;
}

static const char *string_of (const json_t *object, const char *key)
{
	const char *value = json_string_value (json_of (object, key));
	return value ? value : "(null)";
}

Test (status, json_has_the_interfaces_keys)
{
	reply_make ();
	status_json (&line, &reply);
	json_t *all = json_loadb (line.data, line.size, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null (all, "%s", buffer_string (&line));
	EXPECT_LACKS (buffer_string (&line), "\n");
	cr_assert_str_eq (string_of (all, "cluster"), "demo");
	cr_assert_str_eq (string_of (all, "collector"), "c1");
	cr_assert_str_eq (string_of (all, "status"), "degraded");
	cr_assert_str_eq (string_of (all, "quorum"), "available");
	const json_t *list = json_of (all, "nodes");
	cr_assert_eq (json_array_size (list), 3);
	const json_t *down = json_array_get (list, 1);
	cr_assert_str_eq (string_of (down, "name"), "n2");
	cr_assert_str_eq (string_of (down, "state"), "down");
	cr_assert_str_eq (string_of (down, "kind"), "host");
	cr_assert_str_eq (string_of (down, "status"), "unknown");
	cr_assert_str_eq (string_of (down, "since"), "2026-09-21T14:13:08.000000000Z");
	cr_assert_eq (json_integer_value (json_of (down, "last_seen_ms")), 12800);
	cr_assert_eq (json_integer_value (json_of (down, "incarnation")), 2);
	cr_assert_eq (json_array_size (json_of (down, "evidence")), 2);
	cr_assert_eq (json_array_size (json_of (down, "components")), 0);
	const json_t *well = json_array_get (list, 0);
	cr_assert (json_is_null (json_of (well, "kind")));
	const json_t *component = json_array_get (json_of (well, "components"), 1);
	cr_assert_str_eq (string_of (component, "name"), "queue");
	cr_assert_str_eq (string_of (component, "status"), "degraded");
	cr_assert_eq (json_number_value (json_of (json_of (well, "figures"), "load1")), 1.5);
	const json_t *never = json_array_get (list, 2);
	cr_assert (json_is_null (json_of (never, "since")));
	const json_t *fire = json_array_get (json_of (all, "alerts"), 0);
	cr_assert_str_eq (string_of (fire, "fingerprint"), "9f3c");
	cr_assert_str_eq (string_of (fire, "name"), "HostDown");
	cr_assert_str_eq (string_of (fire, "state"), "firing");
	cr_assert_str_eq (string_of (fire, "severity"), "critical");
	cr_assert_str_eq (string_of (fire, "node"), "n2");
	cr_assert_str_eq (string_of (fire, "starts"), "2026-09-21T14:13:09.000000000Z");
	cr_assert_eq (json_integer_value (json_of (json_of (all, "refusals"), "mac")), 5);
	json_decref (all);
}

static int nagios (const char *node)
{
	buffer_reset (&line);
	int level = status_nagios (&line, &reply, node);
	cr_assert (!buffer_failed (&line));
	expect_tidy (buffer_string (&line), 0, false);
	return level;
}

Test (status, nagios_of_the_cluster)
{
	reply_make ();
	cr_assert_eq (nagios (NULL), 1);
	cr_assert_str_eq (buffer_string (&line),
	        "BELFRY WARNING - cluster demo is degraded, quorum available, 1 of 3 nodes alive, down: n2 | "
	        "nodes=3 alive=1 down=1 alerts=1");
	reply.status = BELFRY__V1__STATUS__STATUS_HEALTHY;
	cr_assert_eq (nagios (NULL), 0);
	EXPECT_HAS (buffer_string (&line), "BELFRY OK - ");
	reply.quorum = BELFRY__V1__QUORUM__QUORUM_AT_RISK;
	cr_assert_eq (nagios (NULL), 1);
	reply.quorum = BELFRY__V1__QUORUM__QUORUM_LOST;
	cr_assert_eq (nagios (NULL), 2);
	reply.quorum = BELFRY__V1__QUORUM__QUORUM_AVAILABLE;
	reply.status = BELFRY__V1__STATUS__STATUS_UNHEALTHY;
	cr_assert_eq (nagios (NULL), 2);
	reply.status = BELFRY__V1__STATUS__STATUS_UNKNOWN;
	cr_assert_eq (nagios (NULL), 3);
}

Test (status, nagios_of_a_node)
{
	static const struct {
		Belfry__V1__NodeState state;
		int level;
	} cases[] = {
		{ BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE, 0 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED, 0 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT, 1 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED, 1 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE, 2 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE, 2 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_DOWN, 2 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_LEFT, 0 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_MAINTENANCE, 0 },
		{ BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN, 3 },
	};
	reply_make ();
	reply.n_nodes = 1;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		nodes[0].state = cases[i].state;
		cr_assert_eq (nagios ("n1"), cases[i].level, "state %d", (int) cases[i].state);
	}
	nodes[0].state = BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE;
	nodes[0].status = BELFRY__V1__STATUS__STATUS_UNHEALTHY;
	cr_assert_eq (nagios ("n1"), 2);
	cr_assert_str_eq (buffer_string (&line),
	        "BELFRY CRITICAL - node n1 is alive, unhealthy | last_seen=120ms lost=3c refused=0c alerts=1 "
	        "cpu_used_ratio=0.96 load1=1.5");
}

Test (status, nagios_has_one_bar_whatever_is_said)
{
	static char bars[] = "a|b\nc";
	reply_make ();
	reply.cluster = bars;
	nodes[1].name = bars;
	(void) nagios (NULL);
	cr_assert_eq (strchr (buffer_string (&line), '|'), strrchr (buffer_string (&line), '|'));
	reply.n_nodes = 1;
	node_list[0] = &nodes[1];
	evidence[0] = bars;
	(void) nagios ("n2");
	cr_assert_eq (strchr (buffer_string (&line), '|'), strrchr (buffer_string (&line), '|'), "%s",
	        buffer_string (&line));
	node_list[0] = &nodes[0];
	evidence[0] = silent;
}
