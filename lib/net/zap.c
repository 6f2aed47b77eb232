/* The handler's thread owns the REP socket; the list is shared under a lock that is held for a look-up or
 * for exchanging a pointer, never while a list is built or freed.
 *
 * libzmq asks whichever socket is bound to the well-known name, one request for each handshake, and
 * waits within HANDSHAKE_IVL. What it sends was made by libzmq itself from what the peer proved, so the
 * key is the peer's. */

#include "net/link_internal.h"
#include "net/zap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
/* A property of every frame of the connection. */
#define ADMISSION "Belfry-Admission"

enum { FRAMES_MAX = 8, FRAME_SIZE_MAX = 255, DOMAIN_SIZE_MAX = 31 };

typedef struct {
	uint8_t key[LINK_KEY_SIZE];
	uint64_t admission;
	unsigned group;
	char user[ZAP_USER_MAX + 1];
} client_t;

/* Immutable once it is in force. */
typedef struct {
	client_t *clients; /* by admission */
	size_t n;
	uint32_t *slots; /* of clients + 1; 0: free. Open addressing, at most half full */
	size_t n_slots;  /* a power of two */
} list_t;

struct zap {
	void *rep; /* the thread's */
	int stop_fd;
	pthread_t thread;
	struct {
		char name[DOMAIN_SIZE_MAX + 1];
		unsigned groups;
	} domains[ZAP_DOMAINS_MAX];
	size_t n_domains;
	uint64_t seed; /* of the hash: who chooses keys cannot choose slots */

	pthread_mutex_t lock; /* of all below */
	list_t *list;
	uint64_t next_admission;
	zap_totals_t totals;
};

/* --- the list ------------------------------------------------------------------------------- */

static size_t slot_of (const zap_t *self, const uint8_t *key, size_t n_slots)
{
	uint64_t words[LINK_KEY_SIZE / sizeof (uint64_t)], h = self->seed;
	memcpy (words, key, sizeof words);
	for (size_t i = 0; i < LINK_KEY_SIZE / sizeof (uint64_t); i++) {
		h = (h ^ words[i]) * UINT64_C (0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (size_t) h & (n_slots - 1);
}

/* The slot that holds key, or the free one where it belongs. */
static uint32_t *list_slot (const zap_t *self, const list_t *list, const uint8_t *key)
{
	for (size_t i = slot_of (self, key, list->n_slots);; i = (i + 1) & (list->n_slots - 1)) {
		uint32_t *slot = &list->slots[i];
		if (!*slot || memcmp (list->clients[*slot - 1].key, key, LINK_KEY_SIZE) == 0)
			return slot;
	}
}

static const client_t *list_find (const zap_t *self, const list_t *list, const uint8_t *key)
{
	uint32_t at = list ? *list_slot (self, list, key) : 0;
	return at ? &list->clients[at - 1] : NULL;
}

static bool list_has (const list_t *list, uint64_t admission)
{
	size_t low = 0, high = list ? list->n : 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (list->clients[middle].admission == admission)
			return true;
		if (list->clients[middle].admission < admission)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void list_free (list_t *list)
{
	if (!list)
		return;
	free (list->clients);
	free (list->slots);
	free (list);
}

static int by_admission (const void *a, const void *b)
{
	const client_t *x = a, *y = b;
	return (x->admission > y->admission) - (x->admission < y->admission);
}

/* The clients that were on the old list, as they are now, keep their numbers. */
static int list_fill (
        zap_t *self, list_t *list, const list_t *old, const zap_client_t *clients, uint64_t *next)
{
	for (size_t i = 0; i < list->n; i++) {
		client_t *to = &list->clients[i];
		size_t size = strlen (clients[i].user);
		if (size == 0 || size > ZAP_USER_MAX || !clients[i].group)
			return -EINVAL;
		memcpy (to->key, clients[i].key, LINK_KEY_SIZE);
		memcpy (to->user, clients[i].user, size);
		to->group = clients[i].group;
		const client_t *before = list_find (self, old, to->key);
		bool same = before && before->group == to->group && strcmp (before->user, to->user) == 0;
		to->admission = same ? before->admission : (*next)++;
	}
	qsort (list->clients, list->n, sizeof *list->clients, by_admission);
	for (size_t i = 0; i < list->n; i++) {
		uint32_t *slot = list_slot (self, list, list->clients[i].key);
		if (*slot)
			return -EINVAL;
		*slot = (uint32_t) i + 1;
	}
	return 0;
}

static int list_new (
        zap_t *self, const list_t *old, const zap_client_t *clients, size_t n, uint64_t *next, list_t **ret)
{
	list_t *list = calloc (1, sizeof *list);
	if (!list)
		return -ENOMEM;
	list->n = n;
	for (list->n_slots = 16; list->n_slots < 2 * n;)
		list->n_slots *= 2;
	list->clients = calloc (n + 1, sizeof *list->clients);
	list->slots = calloc (list->n_slots, sizeof *list->slots);
	int r = n < UINT32_MAX / 4 && list->clients && list->slots
	                ? list_fill (self, list, old, clients, next)
	                : -ENOMEM;
	if (r) {
		list_free (list);
		return r;
	}
	*ret = list;
	return 0;
}

int zap_replace (zap_t *self, const zap_client_t *clients, size_t n, unsigned *ret_gone)
{
	list_t *list;
	/* Only who replaces changes the list and the next number: reading them needs no lock. */
	list_t *old = self->list;
	uint64_t next = self->next_admission;
	int r = list_new (self, old, clients, n, &next, &list);
	if (r)
		return r;
	*ret_gone = 0;
	for (size_t i = 0; old && i < old->n; i++) {
		if (!list_has (list, old->clients[i].admission))
			*ret_gone |= old->clients[i].group;
	}
	pthread_mutex_lock (&self->lock);
	self->list = list;
	self->next_admission = next;
	pthread_mutex_unlock (&self->lock);
	list_free (old);
	return 0;
}

bool zap_admits (zap_t *self, uint64_t admission)
{
	pthread_mutex_lock (&self->lock);
	bool admits = list_has (self->list, admission);
	pthread_mutex_unlock (&self->lock);
	return admits;
}

uint64_t zap_admission (zap_t *self, const frame_t *frame)
{
	const char *text = frame->open ? zmq_msg_gets (frame_message (frame), ADMISSION) : NULL;
	uint64_t admission = text ? strtoull (text, NULL, 16) : 0;
	return admission && zap_admits (self, admission) ? admission : 0;
}

void zap_totals (zap_t *self, zap_totals_t *ret)
{
	pthread_mutex_lock (&self->lock);
	*ret = self->totals;
	pthread_mutex_unlock (&self->lock);
}

/* --- the handler ---------------------------------------------------------------------------- */

/* version, request, domain, address, identity, mechanism, credentials. */
enum { AT_VERSION, AT_REQUEST, AT_DOMAIN, AT_ADDRESS, AT_IDENTITY, AT_MECHANISM, AT_KEY, AT_COUNT };

typedef struct {
	size_t n; /* frames that came; those past FRAMES_MAX only count */
	size_t sizes[FRAMES_MAX];
	char frames[FRAMES_MAX][FRAME_SIZE_MAX + 1];
} request_t;

static bool frame_is (const request_t *request, size_t at, const char *text)
{
	return at < request->n && request->sizes[at] == strlen (text) &&
	       memcmp (request->frames[at], text, request->sizes[at]) == 0;
}

/* 0 with a whole request, or what receiving failed with. */
static int request_receive (void *rep, request_t *ret)
{
	int more = 1;
	for (ret->n = 0; more; ret->n++) {
		size_t at = ret->n < FRAMES_MAX ? ret->n : FRAMES_MAX - 1, size = sizeof more;
		int n = zmq_recv (rep, ret->frames[at], FRAME_SIZE_MAX, ZMQ_DONTWAIT);
		if (n < 0)
			return zmq_failure ();
		ret->sizes[at] = (size_t) n < FRAME_SIZE_MAX ? (size_t) n : FRAME_SIZE_MAX;
		ret->frames[at][ret->sizes[at]] = '\0';
		if (zmq_getsockopt (rep, ZMQ_RCVMORE, &more, &size) != 0)
			return zmq_failure ();
	}
	return 0;
}

/* *ret is filled where it is admitted. */
static zap_outcome_t judge (zap_t *self, const request_t *request, client_t *ret)
{
	unsigned groups = 0;
	for (size_t i = 0; i < self->n_domains; i++) {
		if (frame_is (request, AT_DOMAIN, self->domains[i].name))
			groups = self->domains[i].groups;
	}
	bool sound = request->n == AT_COUNT && frame_is (request, AT_VERSION, "1.0") && groups &&
	             frame_is (request, AT_MECHANISM, "CURVE") && request->sizes[AT_KEY] == LINK_KEY_SIZE;
	zap_outcome_t outcome = ZAP_DENIED_FORM;
	pthread_mutex_lock (&self->lock);
	if (sound) {
		const client_t *client =
		        list_find (self, self->list, (const uint8_t *) request->frames[AT_KEY]);
		outcome = !client                     ? ZAP_DENIED_KEY
		          : !(client->group & groups) ? ZAP_DENIED_GROUP
		                                      : ZAP_ADMITTED;
		if (outcome == ZAP_ADMITTED)
			*ret = *client;
	}
	self->totals.counts[outcome]++;
	if (outcome != ZAP_ADMITTED)
		snprintf (self->totals.address, sizeof self->totals.address, "%.*s", ZAP_ADDRESS_MAX,
		        request->n > AT_ADDRESS ? request->frames[AT_ADDRESS] : "");
	pthread_mutex_unlock (&self->lock);
	return outcome;
}

/* One property: its name's size in a byte, the name, the value's in four. */
static size_t metadata_write (uint64_t admission, uint8_t out[FRAME_SIZE_MAX])
{
	enum { NAME = sizeof ADMISSION - 1, VALUE = 16 };
	char value[VALUE + 1];
	const uint8_t size[] = { 0, 0, 0, VALUE };
	snprintf (value, sizeof value, "%016" PRIx64, admission);
	out[0] = NAME;
	memcpy (out + 1, ADMISSION, NAME);
	memcpy (out + 1 + NAME, size, sizeof size);
	memcpy (out + 1 + NAME + sizeof size, value, VALUE);
	return 1 + NAME + sizeof size + VALUE;
}

static void answer (zap_t *self, const request_t *request)
{
	client_t client = { .user = "" };
	uint8_t metadata[FRAME_SIZE_MAX];
	bool admitted = judge (self, request, &client) == ZAP_ADMITTED;
	const span_t parts[] = {
		span_str ("1.0"),
		request->n > AT_REQUEST ? span_of (request->frames[AT_REQUEST], request->sizes[AT_REQUEST])
		                        : span_str (""),
		span_str (admitted ? "200" : "400"),
		span_str (admitted ? "OK" : "no such key here"),
		span_str (client.user),
		span_of (metadata, admitted ? metadata_write (client.admission, metadata) : 0),
	};
	enum { PARTS = sizeof parts / sizeof parts[0] };
	/* Who does not take it waits in vain, and is not let in. */
	for (size_t i = 0; i < PARTS; i++) {
		if (zmq_send (self->rep, parts[i].data, parts[i].size,
		            ZMQ_DONTWAIT | (i + 1 < PARTS ? ZMQ_SNDMORE : 0)) < 0)
			return;
	}
}

static void *run (void *arg)
{
	zap_t *self = arg;
	zmq_pollitem_t items[] = {
		{ .socket = self->rep, .events = ZMQ_POLLIN },
		{ .fd = self->stop_fd, .events = ZMQ_POLLIN },
	};
	while (!items[1].revents) {
		if (zmq_poll (items, 2, -1) < 0 && errno == ETERM)
			break;
		request_t request;
		if (items[0].revents && request_receive (self->rep, &request) == 0)
			answer (self, &request);
	}
	zmq_close (self->rep);
	return NULL;
}

/* --- its life ------------------------------------------------------------------------------- */

static int handler_start (zap_t *self, net_context_t *context)
{
	int linger = 0;
	self->rep = zmq_socket (context->zmq, ZMQ_REP);
	int r = self->rep ? 0 : zmq_failure ();
	if (r == 0 && (zmq_setsockopt (self->rep, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
	                      zmq_bind (self->rep, ZAP_ENDPOINT) != 0))
		r = zmq_failure ();
	if (r == 0)
		r = net_thread_start (&self->thread, "belfry-zap", run, self);
	if (r && self->rep)
		zmq_close (self->rep);
	return r;
}

static void zap_free (zap_t *self)
{
	if (self->stop_fd >= 0)
		close (self->stop_fd);
	pthread_mutex_destroy (&self->lock);
	list_free (self->list);
	free (self);
}

int zap_new (net_context_t *context, const zap_domain_t *domains, size_t n, zap_t **ret)
{
	if (n > ZAP_DOMAINS_MAX)
		return -EINVAL;
	zap_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	pthread_mutex_init (&self->lock, NULL);
	self->next_admission = 1;
	self->n_domains = n;
	for (size_t i = 0; i < n; i++) {
		snprintf (self->domains[i].name, sizeof self->domains[i].name, "%s", domains[i].name);
		self->domains[i].groups = domains[i].groups;
	}
	self->stop_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = self->stop_fd < 0 ? -errno : 0;
	if (r == 0 && getrandom (&self->seed, sizeof self->seed, 0) != (ssize_t) sizeof self->seed)
		r = -EIO;
	if (r == 0)
		r = handler_start (self, context);
	if (r) {
		zap_free (self);
		return r;
	}
	*ret = self;
	return 0;
}

void zap_destroy (zap_t **self_p)
{
	zap_t *self = *self_p;
	if (!self)
		return;
	uint64_t one = 1;
	ssize_t ignored = write (self->stop_fd, &one, sizeof one);
	(void) ignored;
	pthread_join (self->thread, NULL);
	zap_free (self);
	*self_p = NULL;
}
