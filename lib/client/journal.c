/* The journal over control, page by page; and the tape's reading of it. */

#include "client/client.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"

/* A repair that could not be had is asked for again. */
#define AGAIN_NS NS_PER_S

static void collect_idle (void *arg)
{
	belfry_client_t *self = arg;
	if (self->stream)
		client_collect (self);
}

static int page_ask (belfry_client_t *self, const Belfry__V1__JournalRead *asked,
        Belfry__V1__JournalEvents **ret, err_t *err)
{
	Belfry__V1__Control request, *answer = NULL;
	Belfry__V1__JournalRead body = *asked;
	mono_t deadline = mono_add (mono_now (), self->deadline_ns);
	if (!self->requests)
		return error_set (err, -EINVAL, "no control endpoint was given");
	belfry__v1__control__init (&request);
	request.body_case = BELFRY__V1__CONTROL__BODY_JOURNAL_READ;
	request.journal_read = &body;
	int r = request_send (self->requests, &request, deadline, err);
	if (!r)
		r = request_answer (self->requests, BELFRY__V1__CONTROL__BODY_JOURNAL_EVENTS, deadline,
		        collect_idle, self, &answer, err);
	if (r)
		return r;
	*ret = answer->journal_events;
	answer->body_case = BELFRY__V1__CONTROL__BODY__NOT_SET;
	answer->journal_events = NULL;
	belfry__v1__control__free_unpacked (answer, NULL);
	if ((*ret)->last || (*ret)->next_offset > asked->from_offset)
		return 0;
	/* It would be asked for ever. */
	belfry_client_page_free (ret);
	return error_set (err, -EPROTO, "the collector's page of the journal leads nowhere");
}

int belfry_client_journal (belfry_client_t *self, const belfry_client_query_t *query,
        Belfry__V1__JournalEvents **ret, char *error)
{
	err_t err = { "" };
	char *prefixes[BELFRY_CLIENT_PREFIXES_MAX];
	Belfry__V1__JournalRead asked = BELFRY__V1__JOURNAL_READ__INIT;
	int r = query->n_prefixes > BELFRY_CLIENT_PREFIXES_MAX
	                ? error_set (&err, -EINVAL, "at most %d prefixes", BELFRY_CLIENT_PREFIXES_MAX)
	                : 0;
	for (size_t i = 0; !r && i < query->n_prefixes; i++)
		prefixes[i] = borrow (query->prefixes[i]);
	asked.from_offset = query->from;
	asked.until_offset = query->until;
	asked.since_ns = query->since_ns;
	asked.until_ns = query->until_ns;
	asked.n_prefixes = query->n_prefixes;
	asked.prefixes = prefixes;
	asked.node = borrow (query->node ? query->node : "");
	asked.severity_min = query->severity;
	asked.limit = query->limit;
	asked.chain = query->chain;
	if (!r)
		r = page_ask (self, &asked, ret, &err);
	if (error)
		memcpy (error, err.text, sizeof err.text);
	return r;
}

void belfry_client_page_free (Belfry__V1__JournalEvents **page_p)
{
	if (*page_p)
		belfry__v1__journal_events__free_unpacked (*page_p, NULL);
	*page_p = NULL;
}

int belfry_client_frame (
        belfry_client_t *self, const Belfry__V1__Frame *frame, const belfry_client_event_t **ret)
{
	const Belfry__V1__Event *event;
	span_t topic = span_str (frame->topic),
	       envelope = span_of (frame->envelope.data, frame->envelope.len);
	if (topic.size > TOPIC_SIZE_MAX || intake_open (self->intake, topic, envelope, &event))
		return BELFRY_CLIENT_E_ABSENT;
	client_event_fill (self, topic, envelope, event);
	self->event.offset = frame->offset;
	self->event.late = frame->late;
	*ret = &self->event;
	return 0;
}

/* The tape. */

/* "OFFSET" or "JOURNAL:OFFSET", the journal's id in hexadecimal. */
static int from_parse (const char *text, tape_t *tape, uint64_t *ret_from, err_t *err)
{
	const char *colon = strchr (text, ':'), *number = colon ? colon + 1 : text;
	char *end;
	errno = 0;
	*ret_from = strtoull (number, &end, 10);
	bool good = isdigit ((unsigned char) *number) && *end == '\0' && errno == 0;
	if (good && colon) {
		good = colon - text == 2 * MARK_JOURNAL_SIZE;
		for (size_t i = 0; good && i < MARK_JOURNAL_SIZE; i++) {
			unsigned byte;
			good = isxdigit ((unsigned char) text[2 * i]) &&
			       isxdigit ((unsigned char) text[2 * i + 1]) &&
			       sscanf (text + 2 * i, "%2x", &byte) == 1;
			tape->journal[i] = (uint8_t) byte;
		}
		tape->has_journal = good;
	}
	return good ? 0
	            : error_set (err, -EINVAL,
	                      "'%.64s' is no place in a journal: give OFFSET, or JOURNAL:OFFSET with the "
	                      "journal's id "
	                      "of 32 hexadecimal digits",
	                      text);
}

/* The channels that the prefixes lie in. */
static void channels_of (const belfry_client_t *self, bool wanted[CHANNEL_COUNT])
{
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		const char *name = channel_name ((channel_t) c);
		wanted[c] = self->n_prefixes == 0;
		for (size_t i = 0; i < self->n_prefixes; i++) {
			size_t size = strcspn (self->prefixes[i], "/");
			wanted[c] |= strncmp (self->prefixes[i], name, size) == 0;
		}
	}
}

int client_tape_begin (belfry_client_t *self, const char *from, err_t *err)
{
	bool wanted[CHANNEL_COUNT];
	tape_t named = { .has_journal = false };
	uint64_t offset;
	int r = from_parse (from, &named, &offset, err);
	if (r)
		return r;
	if (!self->requests || !self->stream)
		return error_set (err, -EINVAL, "from wants both a stream and a control endpoint");
	self->tape = calloc (1, sizeof *self->tape);
	if (!self->tape)
		return error_set (err, -ENOMEM, "out of memory");
	channels_of (self, wanted);
	tape_begin (self->tape, wanted, offset);
	self->tape->has_journal = named.has_journal;
	memcpy (self->tape->journal, named.journal, sizeof named.journal);
	return 0;
}

/* The next page that the tape wants. Whole channels are read, so that what is missing shows. */
int client_tape_read (belfry_client_t *self, err_t *err)
{
	tape_t *tape = self->tape;
	Belfry__V1__JournalRead asked = BELFRY__V1__JOURNAL_READ__INIT;
	char names[CHANNEL_COUNT][24], *prefixes[CHANNEL_COUNT];
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		if (!tape->wanted[c])
			continue;
		snprintf (names[c], sizeof names[c], "%s/", channel_name ((channel_t) c));
		prefixes[asked.n_prefixes++] = names[c];
	}
	if (asked.n_prefixes == CHANNEL_COUNT)
		asked.n_prefixes = 0;
	asked.prefixes = prefixes;
	asked.from_offset = tape->from;
	asked.until_offset = tape->until == UINT64_MAX ? 0 : tape->until;
	if (tape->has_journal)
		asked.journal = (ProtobufCBinaryData){ MARK_JOURNAL_SIZE, tape->journal };
	belfry_client_page_free (&self->page);
	self->page_at = 0;
	int r = page_ask (self, &asked, &self->page, err);
	if (r)
		return r;
	if (!tape->has_journal && self->page->journal.len == MARK_JOURNAL_SIZE) {
		tape->has_journal = true;
		memcpy (tape->journal, self->page->journal.data, MARK_JOURNAL_SIZE);
	}
	/* What retention removed is gone: it is said, not passed over. */
	if (self->page->first_offset > tape->from)
		self->totals.gone += self->page->first_offset - tape->from;
	return 0;
}

bool client_tape_next (belfry_client_t *self, bool *ret_taken)
{
	tape_t *tape = self->tape;
	err_t err = { "" };
	*ret_taken = false;
	if (!self->page) {
		if (!tape->from || mono_since (mono_now (), self->again) < 0)
			return false;
		if (client_tape_read (self, &err)) {
			self->again = mono_add (mono_now (), AGAIN_NS);
			self->totals.unrepaired++;
			return false;
		}
	}
	if (self->page_at == self->page->n_frames) {
		tape_read (tape, self->page->next_offset, self->page->last, self->page->newest_offset);
		belfry_client_page_free (&self->page);
		return true;
	}
	const Belfry__V1__Frame *frame = self->page->frames[self->page_at++];
	const belfry_client_event_t *event;
	channel_t channel;
	if (belfry_client_frame (self, frame, &event))
		return true;
	channel = event_type_of (event->event)->channel;
	self->totals.received++;
	if (tape_record (tape, channel, frame->offset) != TAPE_NEW ||
	        !client_is_wanted (self, span_str (event->topic)))
		return true;
	self->totals.delivered++;
	self->event.journal = true;
	*ret_taken = true;
	return true;
}
