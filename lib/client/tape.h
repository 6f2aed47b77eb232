/* tape.h - where a subscriber that misses nothing stands in the journal (wire.md, "Subscribers"): which
 * offsets it has of each channel, and which it must read over control, at the beginning and where the
 * stream left a hole. Pure. */

#ifndef CLIENT_TAPE_H
#define CLIENT_TAPE_H

#include "base/clock.h"
#include "wire/describe.h"
#include "wire/mark.h"

#define TAPE_GRACE_NS NS_PER_S /* so long after a beat that names more the stream may still bring it */

typedef struct {
	bool wanted[CHANNEL_COUNT];
	bool has_journal;
	uint8_t journal[MARK_JOURNAL_SIZE];
	uint64_t seen
	        [CHANNEL_COUNT]; /* everything of the channel up to it was handed out, or lies before from */
	/* What is to be read: from..until of the channels that are wanted; from 0: nothing. */
	uint64_t from, until;
	mono_t behind_since; /* a beat named more than was seen; 0: none did */
	uint64_t repairs;
} tape_t;

typedef enum { TAPE_NEW, TAPE_KNOWN, TAPE_HOLE, TAPE_REPLACED } tape_verdict_t;

/* Everything from offset on is to be read first. */
void tape_begin (tape_t *self, const bool wanted[CHANNEL_COUNT], uint64_t from);
/* A marked message of the stream. NEW: it is handed out now. HOLE: something before it is missing; it is to be
 * read with it. REPLACED: the mark is another journal's. */
tape_verdict_t tape_mark (tape_t *self, channel_t channel, const mark_t *mark);
/* A record that was read. NEW, KNOWN. */
tape_verdict_t tape_record (tape_t *self, channel_t channel, uint64_t offset);
/* Everything up to through was read; more: there is more. */
void tape_read (tape_t *self, uint64_t next, bool last, uint64_t newest);
/* A collector's beat: the newest offset of that channel. */
void tape_beat (tape_t *self, channel_t channel, uint64_t newest, mono_t now);

#endif
