#include "cli/alert_view.h"
#include "cli/status_view.h"
#include "base/size.h"
#include "cli/table.h"
#include "wire/describe.h"

#include <math.h>
#include <string.h>

/* What came over the network goes to the terminal clean. */
static void put_clean (const output_t *output, const char *text)
{
	buffer_t clean = BUFFER_INIT;
	text_clean (&clean, text);
	fputs (buffer_string (&clean), output->out);
	buffer_free (&clean);
}

static double figure (const Belfry__V1__NodeView *node, const char *name)
{
	for (size_t i = 0; i < node->n_figures; i++) {
		if (strcmp (node->figures[i]->name, name) == 0)
			return node->figures[i]->value;
	}
	return NAN;
}

static style_t style_of_state (Belfry__V1__NodeState state)
{
	switch (state) {
	case BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED:
		return STYLE_GREEN;
	case BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT:
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE:
		return STYLE_YELLOW;
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_DOWN:
		return STYLE_RED;
	default:
		return STYLE_DIM;
	}
}

/* Shares are shown loud where they are high. */
static void put_ratio (table_t *table, double ratio)
{
	if (isnan (ratio))
		table_put (table, STYLE_PLAIN, "%s", "");
	else
		table_put (table,
		        ratio >= 0.95   ? STYLE_RED
		        : ratio >= 0.85 ? STYLE_YELLOW
		                        : STYLE_PLAIN,
		        "%.0f%%", ratio * 100);
}

/* The median round trip of the peers that answer, or 0. */
static uint64_t median_rtt (const Belfry__V1__NodeView *node)
{
	uint64_t rtt[16];
	size_t n = 0;
	for (size_t i = 0; i < node->n_peers && n < 16; i++) {
		if (node->peers[i]->state != BELFRY__V1__PEER_STATE__PEER_STATE_OK)
			continue;
		size_t at = n++;
		for (; at > 0 && rtt[at - 1] > node->peers[i]->rtt_ns; at--)
			rtt[at] = rtt[at - 1];
		rtt[at] = node->peers[i]->rtt_ns;
	}
	return n ? rtt[n / 2] : 0;
}

static const table_column_t node_columns[] = {
	{ "NODE", false, 0 },
	{ "STATE", false, 0 },
	{ "STATUS", false, 0 },
	{ "CPU", true, 0 },
	{ "MEM", true, 0 },
	{ "DISK", true, 0 },
	{ "LOAD", true, 3 },
	{ "RTT", true, 2 },
	{ "LOST", true, 0 },
	{ "SINCE", true, 1 },
	{ "SEEN", true, 0 },
};
enum { NODE_COLUMNS = sizeof node_columns / sizeof *node_columns };

static void node_row (table_t *table, const Belfry__V1__NodeView *node, uint64_t now_ns)
{
	char state[ENUM_TEXT_MAX], kind[ENUM_TEXT_MAX], text[DURATION_TEXT_MAX];
	double load = figure (node, "load1");
	uint64_t rtt = median_rtt (node), lost = node->lost_volatile + node->lost_durable;
	enum_text (&belfry__v1__node_state__descriptor, (int) node->state, state);
	enum_text (&belfry__v1__node_kind__descriptor, (int) node->kind, kind);
	table_put (table, STYLE_BOLD, "%s", node->name);
	if (node->kind)
		table_put (table, style_of_state (node->state), "%s (%s)", state, kind);
	else
		table_put (table, style_of_state (node->state), "%s", state);
	table_put (table, style_of_status ((int) node->status), "%s", status_name (node->status));
	put_ratio (table, figure (node, "cpu_used_ratio"));
	put_ratio (table, figure (node, "memory_used_ratio"));
	put_ratio (table, figure (node, "disk_used_ratio"));
	if (isnan (load))
		table_put (table, STYLE_PLAIN, "%s", "");
	else
		table_put (table, STYLE_PLAIN, "%.2f", load);
	table_put (table, STYLE_PLAIN, "%s", rtt ? duration_format ((int64_t) rtt, text) : "");
	table_put (table, lost ? STYLE_YELLOW : STYLE_DIM, "%llu", (unsigned long long) lost);
	table_put (table, STYLE_PLAIN, "%s", age_text (now_ns, node->since_ns, text));
	table_put (table, STYLE_PLAIN, "%s",
	        node->incarnation ? duration_format ((int64_t) node->last_seen_ms * NS_PER_MS, text)
	                          : "never");
}

static int nodes_text (const output_t *output, const Belfry__V1__StatusReply *status)
{
	table_t *table;
	int r = table_new (node_columns, NODE_COLUMNS, &table);
	if (r)
		return r;
	for (size_t i = 0; i < status->n_nodes; i++)
		node_row (table, status->nodes[i], status->now_ns);
	if (status->n_nodes)
		r = table_print (table, output, 0);
	else
		fputs ("no node has been heard yet\n", output->out);
	table_destroy (&table);
	return r;
}

static const table_column_t component_columns[] = { { "NODE", false, 0 }, { "COMPONENT", false, 0 },
	{ "STATUS", false, 0 }, { "SINCE", true, 1 }, { "DETAILS", false, 0 } };

/* All of a node that was asked for; of the others what is not healthy. */
static int components_text (const output_t *output, const Belfry__V1__StatusReply *status, bool all)
{
	char since[DURATION_TEXT_MAX];
	table_t *table;
	size_t n = 0, healthy = 0;
	int r = table_new (component_columns, sizeof component_columns / sizeof *component_columns, &table);
	if (r)
		return r;
	for (size_t i = 0; i < status->n_nodes; i++) {
		const Belfry__V1__NodeView *node = status->nodes[i];
		for (size_t c = 0; c < node->n_components; c++) {
			const Belfry__V1__ComponentView *component = node->components[c];
			if (!all && component->status == BELFRY__V1__STATUS__STATUS_HEALTHY) {
				healthy++;
				continue;
			}
			n++;
			table_put (table, STYLE_BOLD, "%s", node->name);
			table_put (table, STYLE_PLAIN, "%s", component->name);
			table_put (table, style_of_status ((int) component->status), "%s",
			        status_name (component->status));
			table_put (table, STYLE_PLAIN, "%s",
			        age_text (status->now_ns, component->since_ns, since));
			table_put (table, STYLE_PLAIN, "%s", component->details);
		}
	}
	if (n)
		putc ('\n', output->out);
	r = table_print (table, output, 0);
	table_destroy (&table);
	if (healthy)
		fprintf (output->out, "\n%zu component%s healthy\n", healthy, healthy == 1 ? " is" : "s are");
	return r;
}

static int alerts_text (const output_t *output, const Belfry__V1__StatusReply *status)
{
	table_t *table;
	size_t n = 0;
	int r = table_new (alert_columns, ALERT_COLUMNS, &table);
	if (r)
		return r;
	for (size_t i = 0; i < status->n_alerts; i++) {
		if (status->alerts[i]->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED)
			continue;
		alert_row (table, status->alerts[i], status->now_ns);
		n++;
	}
	fputs (n ? "\n" : "\nno alerts\n", output->out);
	r = table_print (table, output, 0);
	table_destroy (&table);
	return r;
}

static void refusals_text (const output_t *output, const Belfry__V1__StatusReply *status)
{
	if (status->n_refusals == 0)
		return;
	fputs ("\nrefused:", output->out);
	for (size_t i = 0; i < status->n_refusals; i++) {
		fputs (i ? ", " : " ", output->out);
		put_clean (output, status->refusals[i]->reason);
		fprintf (output->out, " %llu", (unsigned long long) status->refusals[i]->count);
	}
	putc ('\n', output->out);
}

static const table_column_t subscriber_columns[] = { { "SLOW SUBSCRIBER", false, 0 }, { "USER", false, 2 },
	{ "SUBSCRIPTIONS", true, 3 }, { "SINCE", true, 1 }, { "QUEUED", true, 0 } };

/* Those that do not keep up: all others are none of a person's business. */
static int subscribers_text (const output_t *output, const Belfry__V1__StatusReply *status)
{
	char since[DURATION_TEXT_MAX], queued[SIZE_TEXT_MAX];
	table_t *table;
	size_t n = 0;
	int r = table_new (
	        subscriber_columns, sizeof subscriber_columns / sizeof *subscriber_columns, &table);
	if (r)
		return r;
	for (size_t i = 0; i < status->n_subscribers; i++) {
		const Belfry__V1__Subscriber *subscriber = status->subscribers[i];
		if (!subscriber->slow)
			continue;
		n++;
		table_put (table, STYLE_YELLOW, "%s", subscriber->address);
		table_put (table, STYLE_PLAIN, "%s", subscriber->user);
		table_put (table, STYLE_PLAIN, "%llu", (unsigned long long) subscriber->subscriptions);
		table_put (table, STYLE_PLAIN, "%s", age_text (status->now_ns, subscriber->since_ns, since));
		table_put (table, STYLE_PLAIN, "%s", size_format ((double) subscriber->queued_bytes, queued));
	}
	if (n) {
		putc ('\n', output->out);
		r = table_print (table, output, 0);
	}
	table_destroy (&table);
	return r;
}

static const table_column_t peer_columns[] = { { "SEES", false, 0 }, { "STATE", false, 0 },
	{ "RTT", true, 0 }, { "LAST ANSWER", true, 0 } };

static int peers_text (const output_t *output, const Belfry__V1__NodeView *node)
{
	char state[ENUM_TEXT_MAX], text[DURATION_TEXT_MAX];
	table_t *table;
	if (node->n_peers == 0)
		return 0;
	int r = table_new (peer_columns, sizeof peer_columns / sizeof *peer_columns, &table);
	if (r)
		return r;
	for (size_t i = 0; i < node->n_peers; i++) {
		const Belfry__V1__PeerView *peer = node->peers[i];
		bool ok = peer->state == BELFRY__V1__PEER_STATE__PEER_STATE_OK;
		bool never = peer->state == BELFRY__V1__PEER_STATE__PEER_STATE_NEVER;
		table_put (table, STYLE_BOLD, "%s", peer->node);
		table_put (table,
		        ok      ? STYLE_GREEN
		        : never ? STYLE_DIM
		                : STYLE_RED,
		        "%s", enum_text (&belfry__v1__peer_state__descriptor, (int) peer->state, state));
		table_put (table, STYLE_PLAIN, "%s",
		        never ? "" : duration_format ((int64_t) peer->rtt_ns, text));
		table_put (table, STYLE_PLAIN, "%s",
		        never ? "" : duration_format ((int64_t) peer->age_ns, text));
	}
	putc ('\n', output->out);
	r = table_print (table, output, 0);
	table_destroy (&table);
	return r;
}

static int node_text (const output_t *output, const Belfry__V1__NodeView *node)
{
	char delay[DURATION_TEXT_MAX];
	fprintf (output->out, "\nincarnation %llu, version ", (unsigned long long) node->incarnation);
	put_clean (output, node->version[0] ? node->version : "unknown");
	fprintf (output->out, "%s; %llu received, %llu refused, %llu late",
	        node->ephemeral ? ", ephemeral" : "", (unsigned long long) node->received,
	        (unsigned long long) node->refused, (unsigned long long) node->late);
	fprintf (output->out, "; delayed by %s at worst\n",
	        duration_format ((int64_t) node->scheduling_delay_ns, delay));
	for (size_t i = 0; i < node->n_evidence; i++) {
		fputs (i ? "     " : "why: ", output->out);
		put_clean (output, node->evidence[i]);
		putc ('\n', output->out);
	}
	return peers_text (output, node);
}

static void cluster_text (const output_t *output, const Belfry__V1__StatusReply *status)
{
	char quorum[ENUM_TEXT_MAX], up[DURATION_TEXT_MAX];
	style_t style = style_of_status ((int) status->status);
	style_t quorum_style =
	        status->quorum == BELFRY__V1__QUORUM__QUORUM_AVAILABLE ? STYLE_GREEN : STYLE_RED;
	size_t alive = 0;
	for (size_t i = 0; i < status->n_nodes; i++)
		alive += status->nodes[i]->state == BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE;
	fprintf (output->out, "cluster %s", output_style (output, STYLE_BOLD));
	put_clean (output, status->cluster);
	fprintf (output->out, "%s is %s%s%s, quorum %s%s%s, %zu of %zu node%s alive\ncollector ",
	        output_reset (output, STYLE_BOLD), output_style (output, style), status_name (status->status),
	        output_reset (output, style), output_style (output, quorum_style),
	        enum_text (&belfry__v1__quorum__descriptor, (int) status->quorum, quorum),
	        output_reset (output, quorum_style), alive, status->n_nodes, status->n_nodes == 1 ? "" : "s");
	put_clean (output, status->collector);
	putc (' ', output->out);
	put_clean (output, status->version);
	fprintf (output->out, ", up %s%s%s%s\n\n", age_text (status->now_ns, status->started_ns, up),
	        output_style (output, STYLE_YELLOW),
	        status->insecure ? ", insecure: events are neither signed nor checked" : "",
	        output_reset (output, STYLE_YELLOW));
}

int status_text (const output_t *output, const Belfry__V1__StatusReply *status, const char *node)
{
	if (!node)
		cluster_text (output, status);
	int r = nodes_text (output, status);
	if (!r && node && status->n_nodes == 1)
		r = node_text (output, status->nodes[0]);
	if (!r)
		r = components_text (output, status, node != NULL);
	if (!r)
		r = alerts_text (output, status);
	if (!r)
		r = subscribers_text (output, status);
	if (!r && !node)
		refusals_text (output, status);
	return r;
}
