#include "collector/reading.h"

#include <errno.h>
#include <stdio.h>
#include <sodium.h>

#include "base/borrow.h"
#include "wire/topic.h"

enum { ID_TEXT = 2 * MARK_JOURNAL_SIZE + 1 };

const char *reading_of (const Belfry__V1__JournalRead *asked, const view_t *view, core_reading_t *ret,
        char text[ERROR_TEXT_MAX])
{
	const uint8_t *id = view->journal.id;
	if (asked->journal.len && (asked->journal.len != MARK_JOURNAL_SIZE ||
	                                  memcmp (asked->journal.data, id, MARK_JOURNAL_SIZE) != 0)) {
		char hex[ID_TEXT];
		snprintf (text, ERROR_TEXT_MAX,
		        "the journal here is %s: the history that was asked for is another, and offsets in "
		        "it "
		        "mean nothing here",
		        sodium_bin2hex (hex, sizeof hex, id, MARK_JOURNAL_SIZE));
		return "journal";
	}
	if (asked->n_prefixes > READING_PREFIXES_MAX || asked->limit > READING_LIMIT_MAX) {
		snprintf (text, ERROR_TEXT_MAX, "a reading takes at most %d prefixes and %d events at once",
		        READING_PREFIXES_MAX, READING_LIMIT_MAX);
		return "limit";
	}
	for (size_t i = 0; i < asked->n_prefixes; i++) {
		if (strlen (asked->prefixes[i]) > TOPIC_SIZE_MAX) {
			snprintf (text, ERROR_TEXT_MAX, "a prefix of %zu bytes: no topic has more than %d",
			        strlen (asked->prefixes[i]), TOPIC_SIZE_MAX);
			return "limit";
		}
	}
	if (asked->node[0] && !topic_name_valid (span_str (asked->node), TOPIC_NODE_MAX)) {
		snprintf (text, ERROR_TEXT_MAX, "'%.64s' is no node's name", asked->node);
		return "unknown_node";
	}
	/* There may be a checkpoint for each record. */
	size_t most = asked->chain ? CORE_PAGE_CHECKPOINTS : READING_LIMIT_MAX;
	*ret = (core_reading_t){ .query = { .from_offset = asked->from_offset,
		                         .until_offset = asked->until_offset,
		                         .since_ns = asked->since_ns,
		                         .until_ns = asked->until_ns,
		                         .prefixes = (const char *const *) asked->prefixes,
		                         .n_prefixes = asked->n_prefixes,
		                         .node = asked->node[0] ? asked->node : NULL,
		                         .severity_min = asked->severity_min,
		                         .limit = asked->limit && asked->limit < most ? asked->limit : most,
		                         .bytes = CORE_PAGE_BYTES },
		.chain = asked->chain };
	return NULL;
}

static ProtobufCBinaryData lent (const void *data, size_t size)
{
	union {
		const void *in;
		uint8_t *out;
	} u = { data };
	return (ProtobufCBinaryData){ size, u.out };
}

static int frames_put (const core_page_t *page, bool chain, arena_t *arena, Belfry__V1__JournalEvents *out)
{
	Belfry__V1__Frame *frames = arena_alloc (arena, (page->n + 1) * sizeof *frames);
	out->frames = arena_alloc (arena, (page->n + 1) * sizeof (Belfry__V1__Frame *));
	if (!frames || !out->frames)
		return -ENOMEM;
	for (size_t i = 0; i < page->n; i++) {
		const journal_entry_t *entry = &page->entries[i];
		char *topic = arena_alloc (arena, entry->topic.size + 1);
		if (!topic)
			return -ENOMEM;
		memcpy (topic, entry->topic.data, entry->topic.size);
		topic[entry->topic.size] = '\0';
		Belfry__V1__Frame *frame = out->frames[out->n_frames++] = &frames[i];
		belfry__v1__frame__init (frame);
		frame->topic = topic;
		frame->envelope = lent (entry->envelope.data, entry->envelope.size);
		frame->offset = entry->mark.offset;
		frame->received_ns = entry->mark.received_ns;
		frame->previous_in_channel = entry->mark.previous_in_channel;
		frame->late = entry->mark.late;
		if (chain)
			frame->chain_hash = lent (entry->hash, sizeof entry->hash);
	}
	return 0;
}

static int checkpoints_put (const core_page_t *page, arena_t *arena, Belfry__V1__JournalEvents *out)
{
	size_t n = page->n_checkpoints;
	Belfry__V1__Checkpoint *checkpoints = arena_alloc (arena, (n + 1) * sizeof *checkpoints);
	out->checkpoints = arena_alloc (arena, (n + 1) * sizeof (Belfry__V1__Checkpoint *));
	if (!checkpoints || !out->checkpoints)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		reading_checkpoint (&page->checkpoints[i], &checkpoints[i]);
		out->checkpoints[out->n_checkpoints++] = &checkpoints[i];
	}
	return 0;
}

void reading_checkpoint (const checkpoint_t *checkpoint, Belfry__V1__Checkpoint *ret)
{
	belfry__v1__checkpoint__init (ret);
	ret->journal = lent (checkpoint->journal, sizeof checkpoint->journal);
	ret->offset = checkpoint->offset;
	ret->hash = lent (checkpoint->hash, sizeof checkpoint->hash);
	ret->time_ns = checkpoint->time_ns;
	ret->public_key = lent (checkpoint->public_key, sizeof checkpoint->public_key);
	ret->signature = lent (checkpoint->signature, sizeof checkpoint->signature);
}

int reading_answer (const core_page_t *page, bool chain, arena_t *arena, Belfry__V1__JournalEvents **ret)
{
	Belfry__V1__JournalEvents *out = arena_alloc (arena, sizeof *out);
	if (!out)
		return -ENOMEM;
	belfry__v1__journal_events__init (out);
	out->journal = lent (page->figures.id, sizeof page->figures.id);
	out->next_offset = page->next;
	out->last = page->last;
	out->first_offset = page->figures.first;
	out->newest_offset = page->figures.newest;
	if (chain && page->n)
		out->anchor_hash = lent (page->anchor, sizeof page->anchor);
	int r = frames_put (page, chain, arena, out);
	if (!r && chain)
		r = checkpoints_put (page, arena, out);
	*ret = out;
	return r;
}
