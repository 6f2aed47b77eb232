/* The journal: what happened, and whether it is still what was written down. */

#include "cli/event_line.h"
#include "cli/reach.h"
#include "cli/verify.h"
#include "cli/waiter.h"
#include "wire/describe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	int64_t since_ns, until_ns;
	const char *channel, *node, *from, *key, *head, *journal;
	Belfry__V1__Severity severity;
	uint64_t limit;
	bool verify;
} events_t;

#define AT(member) offsetof (events_t, member)
static const option_t options[] = {
	{ "since", "DURATION", "not older than 1h, 2d, ... by the events' own time", OPTION_DURATION,
	        AT (since_ns) },
	{ "until", "DURATION", "older than this", OPTION_DURATION, AT (until_ns) },
	{ "channel", "NAME", "of this channel", OPTION_TEXT, AT (channel) },
	{ "node", "NAME", "of or about this node", OPTION_TEXT, AT (node) },
	{ "severity", "NAME", "at least: debug, info, warning, error or critical", OPTION_SEVERITY,
	        AT (severity) },
	{ "from", "OFFSET", "from this offset on", OPTION_TEXT, AT (from) },
	{ "limit", "N", "the newest N of them", OPTION_COUNT, AT (limit) },
	{ "verify", NULL, "check the hash chain instead", OPTION_FLAG, AT (verify) },
	{ "public-key", "HEX", "with --verify: the key that must have signed", OPTION_TEXT, AT (key) },
	{ "head", "OFFSET:HASH", "with --verify: a head that was kept apart", OPTION_TEXT, AT (head) },
	{ "journal", "DIR", "with --verify: a stopped collector's state_dir", OPTION_TEXT,
	        AT (journal) },
};

typedef struct {
	session_t *session;
	belfry_client_t *client;
	event_columns_t columns;
	buffer_t line;
	uint64_t printed, skip;
} run_t;

static int print (run_t *self, const Belfry__V1__Frame *frame)
{
	const belfry_client_event_t *event;
	if (belfry_client_frame (self->client, frame, &event)) {
		output_complain (self->session->output, "offset %llu does not hold, and is not shown",
		        (unsigned long long) frame->offset);
		return 0;
	}
	if (self->session->json)
		event_line_json (&self->line, self->client, event);
	else
		event_line_text (
		        &self->line, self->session->output, &self->columns, self->client, event, wall_now ());
	self->printed++;
	return output_line (self->session->output, &self->line);
}

/* Goes through all pages. printing: else the events are counted alone. */
static int pages (run_t *self, belfry_client_query_t query, bool printing, uint64_t *ret_n)
{
	char error[BELFRY_CLIENT_ERROR_MAX];
	*ret_n = 0;
	for (bool last = false; !last;) {
		Belfry__V1__JournalEvents *page;
		int r = belfry_client_journal (self->client, &query, &page, error);
		if (r) {
			output_complain (self->session->output, "%s", error);
			return reach_exit (r);
		}
		for (size_t i = 0; i < page->n_frames && !r; i++) {
			++*ret_n;
			if (printing && *ret_n > self->skip)
				r = print (self, page->frames[i]);
		}
		last = page->last || r;
		query.from = page->next_offset;
		belfry_client_page_free (&page);
		if (r)
			return r == -EPIPE ? DONE : ANSWER_NO;
	}
	return DONE;
}

static int offset_parse (session_t *session, const char *text, uint64_t *ret)
{
	char *end;
	errno = 0;
	*ret = strtoull (text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && !errno)
		return DONE;
	return usage_wrong (session, "events", "--from %s: an offset is a number", text);
}

static int list (session_t *session, const events_t *values)
{
	char prefix[32];
	const char *prefixes[] = { prefix };
	run_t self = { .session = session };
	uint64_t now = (uint64_t) wall_now ().ns, n;
	belfry_client_query_t query = { .node = values->node, .severity = values->severity };
	if (values->since_ns)
		query.since_ns = now - (uint64_t) values->since_ns;
	if (values->until_ns)
		query.until_ns = now - (uint64_t) values->until_ns;
	if (values->from && offset_parse (session, values->from, &query.from) != DONE)
		return USAGE_WRONG;
	if (values->channel) {
		channel_t channel;
		if (channel_parse (span_str (values->channel), &channel))
			return usage_wrong (session, "events", "no channel is called '%s'", values->channel);
		snprintf (prefix, sizeof prefix, "%s/", values->channel);
		query.prefixes = prefixes;
		query.n_prefixes = 1;
	}
	int status = reach_open (session, (belfry_client_options_t){ .keyring = NULL }, false, &self.client);
	if (status == DONE && values->limit) {
		status = pages (&self, query, false, &n);
		self.skip = n > values->limit ? n - values->limit : 0;
	}
	if (status == DONE)
		status = pages (&self, query, true, &n);
	fflush (session->output->out);
	buffer_free (&self.line);
	belfry_client_close (&self.client);
	return status == DONE && self.printed == 0 ? ANSWER_NO : status;
}

static int run (session_t *session, const void *values_, const words_t *words)
{
	const events_t *values = values_;
	(void) words;
	if (!values->verify && (values->key || values->head || values->journal))
		return usage_wrong (session, "events", "--public-key, --head and --journal go with --verify");
	if (values->verify)
		return verify (session, values->journal, values->key, values->head);
	return list (session, values);
}

const command_t command_events = {
	.name = "events",
	.synopsis = "",
	.summary = "the journal: what happened",
	.text = "Prints what the collector's journal holds, oldest first, in the form of tap.\n"
	        "With --verify it walks the whole journal, checks each record's place in the\n"
	        "hash chain and every checkpoint's signature, and names the first record that\n"
	        "does not fit. Keep the head that it prints somewhere else: with --head it\n"
	        "shows later that no record up to there was changed or taken away.\n"
	        "Exit status 1 when nothing matched, or the journal is not sound.",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.values_size = sizeof (events_t),
	.run = run,
};
