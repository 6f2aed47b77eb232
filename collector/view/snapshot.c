#include "collector/view/snapshot.h"

#include <errno.h>
#include <stdlib.h>

struct snapshot {
	size_t bytes, bytes_max;
	uint64_t skipped;
};

int snapshot_new (size_t bytes_max, snapshot_t **ret)
{
	snapshot_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->bytes_max = bytes_max ? bytes_max : (size_t) 512 * 1024 * 1024;
	*ret = self;
	return 0;
}

void snapshot_destroy (snapshot_t **self_p)
{
	free (*self_p);
	*self_p = NULL;
}

static int kept_grow (snapshot_t *self, kept_t *kept, size_t size)
{
	/* A quarter more than asked, in steps of 64: events of one topic differ by some bytes. */
	size_t room = (size + size / 4 + 63) & ~(size_t) 63;
	if (self->bytes + room - kept->room > self->bytes_max)
		return -ENOSPC;
	uint8_t *grown = realloc (kept->bytes, room);
	if (!grown)
		return -ENOMEM;
	self->bytes += room - kept->room;
	kept->bytes = grown;
	kept->room = (uint32_t) room;
	return 0;
}

void snapshot_keep (
        snapshot_t *self, kept_t *kept, span_t envelope, uint64_t incarnation, uint64_t monotonic_ns)
{
	if (incarnation < kept->incarnation ||
	        (incarnation == kept->incarnation && monotonic_ns < kept->monotonic_ns))
		return;
	if (envelope.size > kept->room && kept_grow (self, kept, envelope.size)) {
		/* An older envelope must not pass for the newest. */
		kept->size = 0;
		self->skipped++;
		return;
	}
	memcpy (kept->bytes, envelope.data, envelope.size);
	kept->size = (uint32_t) envelope.size;
	kept->incarnation = incarnation;
	kept->monotonic_ns = monotonic_ns;
}

void snapshot_forget (snapshot_t *self, kept_t *kept)
{
	self->bytes -= kept->room;
	free (kept->bytes);
	memset (kept, 0, sizeof *kept);
}

size_t snapshot_bytes (const snapshot_t *self)
{
	return self->bytes;
}
uint64_t snapshot_skipped (const snapshot_t *self)
{
	return self->skipped;
}
