/* early.h - messages of the stream that came before their turn, in order, bounded: past the bound
 * the newest are dropped, and the sequences will show it. One owner, not thread-safe. */

#ifndef CLIENT_EARLY_H
#define CLIENT_EARLY_H

#include "net/link.h"

enum { EARLY_FRAMES = 3, EARLY_MESSAGES_MAX = 100000, EARLY_BYTES_MAX = 64 * 1024 * 1024 };

typedef struct {
	frame_t frames[EARLY_FRAMES];
	size_t n; /* as many as the message had, which may be more than are kept */
} early_message_t;

/* Closes the frames. */
void early_message_close (early_message_t *message);

typedef struct early early_t;

/* 0, or -ENOMEM. */
int early_new (early_t **ret);
void early_destroy (early_t **self_p);

/* Takes the frames. 0; -ENOSPC past the bounds, -ENOMEM: the message stays the caller's. */
int early_put (early_t *self, early_message_t *message);

/* Gives the oldest, the caller's to close. False when there is none. */
bool early_take (early_t *self, early_message_t *ret);

#endif
