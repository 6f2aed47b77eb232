#include "client/early.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct early {
	early_message_t *messages; /* first..end */
	size_t first, end, room, bytes;
};

static size_t message_bytes (const early_message_t *message)
{
	size_t bytes = 0;
	for (size_t i = 0; i < EARLY_FRAMES; i++)
		bytes += message->frames[i].open ? frame_bytes (&message->frames[i]).size : 0;
	return bytes;
}

void early_message_close (early_message_t *message)
{
	for (size_t i = 0; i < EARLY_FRAMES; i++)
		frame_close (&message->frames[i]);
	message->n = 0;
}

int early_new (early_t **ret)
{
	early_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	*ret = self;
	return 0;
}

void early_destroy (early_t **self_p)
{
	early_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = self->first; i < self->end; i++)
		early_message_close (&self->messages[i]);
	free (self->messages);
	free (self);
	*self_p = NULL;
}

int early_put (early_t *self, early_message_t *message)
{
	size_t bytes = message_bytes (message);
	if (self->end - self->first >= EARLY_MESSAGES_MAX || bytes > EARLY_BYTES_MAX - self->bytes)
		return -ENOSPC;
	if (self->end == self->room && self->first > 0) {
		memmove (self->messages, self->messages + self->first,
		        (self->end - self->first) * sizeof *self->messages);
		self->end -= self->first;
		self->first = 0;
	}
	if (self->end == self->room) {
		size_t room = self->room ? self->room * 2 : 256;
		early_message_t *grown = realloc (self->messages, room * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		self->messages = grown;
		self->room = room;
	}
	self->messages[self->end++] = *message;
	self->bytes += bytes;
	*message = (early_message_t){ 0 };
	return 0;
}

bool early_take (early_t *self, early_message_t *ret)
{
	if (self->first == self->end)
		return false;
	*ret = self->messages[self->first++];
	self->bytes -= message_bytes (ret);
	if (self->first == self->end)
		self->first = self->end = 0;
	return true;
}
