#include "client/tape.h"

void tape_begin (tape_t *self, const bool wanted[CHANNEL_COUNT], uint64_t from)
{
	memset (self, 0, sizeof *self);
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		self->wanted[c] = wanted[c];
		self->seen[c] = from ? from - 1 : 0;
	}
	self->from = from ? from : 1;
	self->until = UINT64_MAX;
}

static void want (tape_t *self, uint64_t from, uint64_t until)
{
	if (!self->from || from < self->from)
		self->from = from;
	if (until > self->until)
		self->until = until;
}

tape_verdict_t tape_mark (tape_t *self, channel_t channel, const mark_t *mark)
{
	if (!self->has_journal) {
		self->has_journal = true;
		memcpy (self->journal, mark->journal, sizeof self->journal);
	}
	if (memcmp (self->journal, mark->journal, sizeof self->journal) != 0)
		return TAPE_REPLACED;
	if (mark->offset <= self->seen[channel])
		return TAPE_KNOWN;
	if (self->from || mark->previous_in_channel > self->seen[channel]) {
		/* While something is to be read, what comes is read behind it. */
		self->repairs += !self->from;
		want (self, self->seen[channel] + 1, mark->offset);
		return TAPE_HOLE;
	}
	self->seen[channel] = mark->offset;
	return TAPE_NEW;
}

tape_verdict_t tape_record (tape_t *self, channel_t channel, uint64_t offset)
{
	if (offset <= self->seen[channel])
		return TAPE_KNOWN;
	self->seen[channel] = offset;
	return TAPE_NEW;
}

void tape_read (tape_t *self, uint64_t next, bool last, uint64_t newest)
{
	bool end = last || next > self->until;
	self->from = next;
	if (!end)
		return;
	/* What is not in it is not coming from it: the journal's end is where the stream goes on. */
	uint64_t through = last && newest < next ? newest : next - 1;
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		if (self->seen[c] < through)
			self->seen[c] = through;
	}
	self->from = self->until = 0;
	self->behind_since = (mono_t){ 0 };
}

void tape_beat (tape_t *self, channel_t channel, uint64_t newest, mono_t now)
{
	if (!self->wanted[channel] || newest <= self->seen[channel] || self->from)
		return;
	if (self->behind_since.ns == 0) {
		self->behind_since = now;
	} else if (mono_since (now, self->behind_since) >= TAPE_GRACE_NS) {
		self->repairs++;
		self->behind_since = (mono_t){ 0 };
		want (self, self->seen[channel] + 1, newest);
	}
}
