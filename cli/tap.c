/* The stream as it is. What the fabric says to itself (beats, catalogues) is shown to who asks for it
 * by a prefix or channel; without one it would drown the rest. */

#include "cli/event_line.h"
#include "cli/reach.h"
#include "cli/waiter.h"
#include "wire/describe.h"
#include "conf/word.h"

#include <errno.h>
#include <string.h>

typedef struct {
	uint64_t count;
	int64_t for_ns;
	const char *node, *channel, *from;
	Belfry__V1__Severity severity;
	bool snapshot, no_snapshot;
} tap_t;

#define AT(member) offsetof (tap_t, member)
static const option_t options[] = {
	{ "count", "N", "end after N events", OPTION_COUNT, AT (count) },
	{ "for", "DURATION", "end after 20s, 5m, ...", OPTION_DURATION, AT (for_ns) },
	{ "snapshot", NULL, "fail where no snapshot can be had", OPTION_FLAG, AT (snapshot) },
	{ "no-snapshot", NULL, "only what happens from now on", OPTION_FLAG, AT (no_snapshot) },
	{ "node", "NAME", "of or about this node", OPTION_TEXT, AT (node) },
	{ "channel", "NAME", "of this channel", OPTION_TEXT, AT (channel) },
	{ "severity", "NAME", "at least: debug, info, warning, error or critical", OPTION_SEVERITY,
	        AT (severity) },
	{ "from", "OFFSET", "the journal from there, then the stream; or JOURNAL:OFFSET", OPTION_TEXT,
	        AT (from) },
};

typedef struct {
	session_t *session;
	const tap_t *values;
	belfry_client_t *client;
	bool show_fabric;
	event_columns_t columns;
	buffer_t line;
	uint64_t printed;
	bool silent; /* and said so */
} run_t;

#define SILENT_AFTER_NS (5 * NS_PER_S)
#define LOOK_EVERY_NS NS_PER_S
enum { BATCH = 1024 };

/* A prefix that no topic can begin with would wait for ever. */
static int prefix_check (session_t *session, const char *prefix)
{
	const char *names[CHANNEL_COUNT + 1] = { 0 };
	size_t size = strcspn (prefix, "/");
	for (int c = 0; c < CHANNEL_COUNT; c++) {
		names[c] = channel_name ((channel_t) c);
		if (strncmp (prefix, names[c], size) == 0 && (prefix[size] == '\0' || names[c][size] == '\0'))
			return DONE;
	}
	char given[40];
	snprintf (given, sizeof given, "%.*s", (int) size, prefix);
	const char *nearest = word_nearest (given, names);
	if (nearest)
		return usage_wrong (
		        session, "tap", "no topic begins with '%s': did you mean '%s/'?", prefix, nearest);
	return usage_wrong (session, "tap",
	        "no topic begins with '%s': topics are CHANNEL/CLASS/CLUSTER/NODE/SOURCE/, channels %s, ...",
	        prefix, "system, health, metrics, lifecycle, alerts, audit, security, logging");
}

static int channel_check (session_t *session, const char *channel)
{
	const char *names[CHANNEL_COUNT + 1] = { 0 };
	for (int c = 0; c < CHANNEL_COUNT; c++)
		names[c] = channel_name ((channel_t) c);
	channel_t found;
	if (channel_parse (span_str (channel), &found) == 0)
		return DONE;
	const char *nearest = word_nearest (channel, names);
	if (nearest)
		return usage_wrong (
		        session, "tap", "no channel is called '%s': did you mean '%s'?", channel, nearest);
	return usage_wrong (session, "tap", "no channel is called '%s'", channel);
}

static bool wanted (const run_t *self, const belfry_client_event_t *event)
{
	const Belfry__V1__Header *header = event->event->header;
	const event_type_t *type = event_type_of (event->event);
	const tap_t *values = self->values;
	if (type->channel == CHANNEL_FABRIC && !self->show_fabric &&
	        event->event->payload_case != BELFRY__V1__EVENT__PAYLOAD_GAP)
		return false;
	if (values->node && strcmp (header->node, values->node) != 0 &&
	        strcmp (header->subject_node, values->node) != 0)
		return false;
	if (values->channel && strcmp (channel_name (type->channel), values->channel) != 0)
		return false;
	return header->severity >= values->severity;
}

static int print (run_t *self, const belfry_client_event_t *event)
{
	if (self->session->json)
		event_line_json (&self->line, self->client, event);
	else
		event_line_text (
		        &self->line, self->session->output, &self->columns, self->client, event, wall_now ());
	int r = output_line (self->session->output, &self->line);
	self->printed += !r;
	return r;
}

static void watch_silence (run_t *self)
{
	bool silent = belfry_client_silence_ns (self->client) > SILENT_AFTER_NS;
	if (silent && !self->silent)
		output_complain (self->session->output,
		        "nothing from %s for 5 s, not even a heartbeat; waiting",
		        self->session->config->stream);
	else if (!silent && self->silent)
		output_complain (self->session->output, "%s is heard again", self->session->config->stream);
	self->silent = silent;
}

/* Prints what is there, at most a batch. 0, 1 when more may be there, or negative errno of out. */
static int drain (run_t *self)
{
	const belfry_client_event_t *event;
	for (unsigned i = 0; i < BATCH; i++) {
		int r = belfry_client_next (self->client, 0, &event);
		if (r)
			return r < 0 ? r : fflush (self->session->output->out) ? -errno : 0;
		r = wanted (self, event) ? print (self, event) : 0;
		if (r || (self->values->count && self->printed >= self->values->count))
			return r ? r : fflush (self->session->output->out) ? -errno : 0;
	}
	return fflush (self->session->output->out) ? -errno : 1;
}

/* Returns 0 when the tap is over, or negative errno. */
static int follow (run_t *self, waiter_t *waiter)
{
	const tap_t *values = self->values;
	mono_t deadline = mono_add (mono_now (), values->for_ns);
	for (;;) {
		int r = drain (self);
		if (r < 0 || (values->count && self->printed >= values->count))
			return r < 0 ? r : 0;
		int64_t left = values->for_ns ? mono_since (deadline, mono_now ()) : LOOK_EVERY_NS;
		if (left <= 0)
			return 0;
		watch_silence (self);
		switch (waiter_wait (waiter, belfry_client_descriptor (self->client),
		        r == 1                 ? 0
		        : left < LOOK_EVERY_NS ? left
		                               : LOOK_EVERY_NS)) {
		case WAITER_SIGNAL:
		case WAITER_READER_GONE:
			return 0;
		case WAITER_READABLE:
		case WAITER_TIME:
			break;
		}
	}
}

/* What was refused or lost is said always, how much came to people only. */
static void summary (run_t *self, mono_t began)
{
	belfry_client_totals_t totals;
	belfry_client_refusal_t refusals[32];
	FILE *err = self->session->output->err;
	char lasted[DURATION_TEXT_MAX];
	belfry_client_totals (self->client, &totals);
	if (!self->session->json)
		fprintf (err, "%llu event%s in %s\n", (unsigned long long) self->printed,
		        self->printed == 1 ? "" : "s",
		        duration_format (mono_since (mono_now (), began), lasted));
	if (totals.lost)
		output_complain (self->session->output, "%llu event%s of this stream never came",
		        (unsigned long long) totals.lost, totals.lost == 1 ? "" : "s");
	if (totals.gone)
		output_complain (self->session->output,
		        "%llu offset%s that --from asked for: the journal keeps them no more",
		        (unsigned long long) totals.gone, totals.gone == 1 ? "" : "s");
	if (totals.unresolved && !self->session->json)
		output_complain (self->session->output, "%llu batches of figures came before their names",
		        (unsigned long long) totals.unresolved);
	size_t n = belfry_client_refusals (self->client, refusals, sizeof refusals / sizeof *refusals);
	for (size_t i = 0; i < n && i < sizeof refusals / sizeof *refusals; i++)
		output_complain (self->session->output, "%llu refused as %s: %s",
		        (unsigned long long) refusals[i].count, refusals[i].reason, refusals[i].help);
}

static int tap (session_t *session, const tap_t *values, const words_t *words)
{
	char channel[32];
	const char *prefix = channel;
	belfry_client_options_t client = {
		.prefixes = (const char *const *) words->at,
		.n_prefixes = words->n,
		.snapshot = values->no_snapshot ? BELFRY_CLIENT_SNAPSHOT_NONE
		            : values->snapshot  ? BELFRY_CLIENT_SNAPSHOT_NEEDED
		                                : BELFRY_CLIENT_SNAPSHOT_TRY,
		/* So that the first N show something of every channel. */
		.mix_channels = values->count > 0,
		.from = values->from,
	};
	if (values->channel && words->n == 0) {
		snprintf (channel, sizeof channel, "%s/", values->channel);
		client.prefixes = &prefix;
		client.n_prefixes = 1;
	}
	run_t self = { .session = session, .values = values, .show_fabric = words->n > 0 || values->channel };
	int status = reach_open (session, client, true, &self.client);
	if (status != DONE)
		return status;
	waiter_t waiter;
	mono_t began = mono_now ();
	int r = waiter_begin (&waiter, session->output->out);
	if (!r) {
		r = follow (&self, &waiter);
		waiter_end (&waiter);
	}
	if (r && r != -EPIPE)
		output_complain (session->output, "the tap ends: %s", strerror (-r));
	summary (&self, began);
	buffer_free (&self.line);
	belfry_client_close (&self.client);
	return (r && r != -EPIPE) || self.printed == 0 ? ANSWER_NO : DONE;
}

static int run (session_t *session, const void *values_, const words_t *words)
{
	const tap_t *values = values_;
	if (values->from && values->snapshot)
		return usage_wrong (session, "tap", "--from and --snapshot exclude each other");
	if (values->snapshot && values->no_snapshot)
		return usage_wrong (session, "tap", "--snapshot and --no-snapshot exclude each other");
	if (values->channel && channel_check (session, values->channel) != DONE)
		return USAGE_WRONG;
	if (words->n > BELFRY_CLIENT_PREFIXES_MAX)
		return usage_wrong (session, "tap", "at most %d prefixes", BELFRY_CLIENT_PREFIXES_MAX);
	for (size_t i = 0; i < words->n; i++) {
		int status = prefix_check (session, words->at[i]);
		if (status != DONE)
			return status;
	}
	return tap (session, values, words);
}

const command_t command_tap = {
	.name = "tap",
	.synopsis = "[PREFIX ...]",
	.summary = "the stream of events, live",
	.text = "Prints the newest event of each topic, then what happens. PREFIX is how topics\n"
	        "begin, CHANNEL/CLASS/CLUSTER/NODE/SOURCE/: alerts/, alerts/critical/,\n"
	        "metrics/persistence/. Without one everything is shown but the fabric's own beats\n"
	        "(fabric/) and what is sent on demand (diagnostics/, logging/debug/: name them).\n"
	        "With a keyring each event's MAC is checked; what does not hold is refused,\n"
	        "counted, and said at the end. With --from everything journalled from that offset\n"
	        "on comes first, then the stream, without hole or repeat.\n"
	        "--node, --channel and --severity filter.\n"
	        "Exit status 0 when --count was reached, or something came; 1 when nothing did.",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.values_size = sizeof (tap_t),
	.run = run,
};
