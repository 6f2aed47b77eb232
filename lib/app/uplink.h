/* uplink.h - one application's connection to the agent: connecting, numbering, sending without a wait,
 * and hearing what the agent answers. Private to libbelfry.
 *
 * Numbers count what was tried, a hello bears the number of the last message that a socket took: so the
 * agent sees as a hole what never reached it, over reconnects too. Thread-safe. In a forked child the
 * first call lets go of the parent's connection and begins anew. */

#ifndef APP_UPLINK_H
#define APP_UPLINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/clock.h"
#include "belfry/v1/app.pb-c.h"

enum {
	UPLINK_SOURCE_MAX = 32,
	UPLINK_MESSAGE_MAX = 64 * 1024,
	UPLINK_ERROR_MAX = 256,
	UPLINK_DROPS = 4, /* belfry_drop_t */
};

typedef struct {
	/* From any thread. floor: the least severity that the agent wants. */
	_Atomic int floor;
	_Atomic int64_t next_read_ns;
	_Atomic unsigned generation; /* of the process; changes with a fork */
	_Atomic uint64_t queued, dropped[UPLINK_DROPS];

	pthread_mutex_t lock; /* what follows */
	int fd;               /* -1: none */
	uint64_t connection;  /* counts them */
	uint64_t number;      /* of the last message tried */
	uint64_t taken;       /* of the last one that a socket took */
	uint64_t event;       /* of the last event that this connection's socket took */
	uint64_t acked;
	mono_t next_try;
	int refused; /* negative errno since the last flush */
	char last_error[UPLINK_ERROR_MAX];
	char source[UPLINK_SOURCE_MAX + 1], version[64];
	struct sockaddr_un address;
	dev_t device; /* fd's: a host may have closed it, and have given its number to another file */
	ino_t inode;
} uplink_t;

/* source and path are checked by the caller. 0 or negative errno. */
int uplink_init (uplink_t *self, const char *source, const char *version, const char *path);
void uplink_close (uplink_t *self);

/* Sends an event, whose header may be NULL. 0; -ENOTCONN, -EAGAIN (full), -EMSGSIZE, -ENOMEM. Counts
 * nothing. */
int uplink_send (uplink_t *self, Belfry__V1__Event *event);
/* Reads what the agent says when that was not done for a second. */
void uplink_hear (uplink_t *self);
/* As belfry_flush. */
int uplink_flush (uplink_t *self, int timeout_ms);

/* Keeps and copies out the newest refusal in words. */
void uplink_say (uplink_t *self, const char *text);
void uplink_last_error (uplink_t *self, char *text, size_t size);
/* Before a count is read or changed: in a forked child they begin anew. */
void uplink_counts_own (uplink_t *self);

#endif
