/* A target's connection is a small machine: idle (waiting to connect), connecting, standing. Its state
 * for others is made from what happened since the last answer: nothing bad and a fresh answer is ok; a
 * connect that was refused, or a connection that was reset, is said as such until something answers. */

#include "agents/peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agents/peer_wire.h"

enum { OUTSTANDING_MAX = 16, ADDRESS_MAX = 80 };
#define RETRY_FIRST_NS (200 * NS_PER_MS)
#define RETRY_MAX_NS (2 * NS_PER_S)
/* A process that dies closes one socket after the other: a fresh connect may still be accepted, and broken
 * at once. The next ones follow after 10, 20, 40 and 80 ms. */
#define QUICK_FIRST_NS (10 * NS_PER_MS)
enum { QUICK_MAX = 4 };

typedef enum { LINE_IDLE, LINE_CONNECTING, LINE_STANDING } line_t;
typedef enum { TROUBLE_NONE, TROUBLE_RESET, TROUBLE_REFUSED } trouble_t;

typedef struct {
	uint64_t nonce;
	mono_t sent;
} outstanding_t;

typedef struct {
	peers_t *peers;
	char node[TOPIC_NODE_MAX + 1], address[ADDRESS_MAX];
	struct sockaddr_storage at;
	socklen_t at_size;
	uint8_t *key_raw; /* sodium_malloc, MAC_KEY_SIZE; NULL without keys */
	mac_key_t *key;   /* sodium_malloc */
	uint32_t epoch;

	line_t line;
	int fd;
	bool greeted;
	mono_t since, retry_at; /* since: this line state */
	int64_t retry_ns;
	unsigned quick;        /* quick retries since the last answer */
	int timer;             /* of the next one; 0: none */
	size_t first, waiting; /* ring of unanswered probes */
	outstanding_t ring[OUTSTANDING_MAX];
	size_t got;
	uint8_t answer[PEER_ANSWER_SIZE];

	bool worked; /* a probe was answered once */
	trouble_t trouble;
	mono_t answered_at, acknowledged_at; /* acknowledged_at 0: never */
	int64_t rtt_ns;
	uint64_t probes, answers;
	Belfry__V1__PeerState said;
} target_t;

struct peers {
	loop_t *loop;
	char node[TOPIC_NODE_MAX + 1];
	uint64_t nonce;
	bool changed;
	peers_changed_fn *on_change;
	void *arg;
	int timer; /* of the call that is due; 0: none */
	size_t n;
	target_t *targets[PEERS_MAX];
	peers_counters_t counters;
};

static Belfry__V1__PeerState state_of (const target_t *t, mono_t now)
{
	if (!t->worked)
		return BELFRY__V1__PEER_STATE__PEER_STATE_NEVER;
	switch (t->trouble) {
	case TROUBLE_REFUSED:
		return BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED;
	case TROUBLE_RESET:
		return BELFRY__V1__PEER_STATE__PEER_STATE_RESET;
	default:
		break;
	}
	return mono_since (now, t->answered_at) > PEERS_SILENT_NS ? BELFRY__V1__PEER_STATE__PEER_STATE_SILENT
	                                                          : BELFRY__V1__PEER_STATE__PEER_STATE_OK;
}

static void change_say (void *arg, int id, moment_t now)
{
	peers_t *self = arg;
	(void) id;
	(void) now;
	self->timer = 0;
	self->on_change (self->arg);
}

static void state_note (target_t *t, mono_t now)
{
	peers_t *self = t->peers;
	Belfry__V1__PeerState state = state_of (t, now);
	if (state == t->said)
		return;
	t->said = state;
	self->changed = true;
	if (!self->on_change || self->timer)
		return;
	int id = loop_add_timer (self->loop, 0, 0, change_say, self);
	self->timer = id > 0 ? id : 0; /* without a timer the next tick says it */
}

void peers_on_change (peers_t *self, peers_changed_fn *changed, void *arg)
{
	self->on_change = changed;
	self->arg = arg;
}

static void line_close (target_t *t, mono_t now, int64_t retry_ns)
{
	if (t->fd >= 0) {
		loop_remove_fd (t->peers->loop, t->fd);
		close (t->fd);
	}
	t->fd = -1;
	t->line = LINE_IDLE;
	t->since = now;
	t->retry_at = mono_add (now, retry_ns);
	t->waiting = t->got = 0;
	t->greeted = false;
}

static void line_back_off (target_t *t, mono_t now)
{
	line_close (t, now, t->retry_ns);
	t->retry_ns = t->retry_ns * 2 < RETRY_MAX_NS ? t->retry_ns * 2 : RETRY_MAX_NS;
}

/* The kernel's word about a standing connection. */
static bool kernel_ask (const target_t *t, struct tcp_info *info)
{
	socklen_t size = sizeof *info;
	return t->fd >= 0 && getsockopt (t->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

static void acknowledgement_note (target_t *t, mono_t now)
{
	struct tcp_info info;
	if (t->line == LINE_STANDING && kernel_ask (t, &info))
		t->acknowledged_at = mono_add (now, -(int64_t) info.tcpi_last_ack_recv * NS_PER_MS);
}

static void connect_start (target_t *t, mono_t now);

static void quick_due (void *arg, int id, moment_t now)
{
	target_t *t = arg;
	(void) id;
	t->timer = 0;
	if (t->line == LINE_IDLE)
		connect_start (t, now.mono);
	state_note (t, now.mono);
}

/* Whether the next connect follows soon; else it is the ticks' affair. */
static bool quick_retry (target_t *t, mono_t now)
{
	if (!t->worked || t->quick == QUICK_MAX || t->timer)
		return false;
	int id = loop_add_timer (t->peers->loop, QUICK_FIRST_NS << t->quick, 0, quick_due, t);
	if (id < 0)
		return false;
	t->timer = id;
	t->quick++;
	line_close (t, now, RETRY_FIRST_NS);
	return true;
}

static void probe_send (target_t *t, mono_t now);
static void line_ready (void *arg, int fd, short revents);

/* An error of connect, send or recv: refused, reset, or anything else, which is silence. */
static void line_fail (target_t *t, int error, mono_t now)
{
	peers_counters_t *counters = &t->peers->counters;
	bool stood = t->line == LINE_STANDING;
	if (error == ECONNREFUSED) {
		counters->refused++;
		t->trouble = TROUBLE_REFUSED;
	} else if (stood && (error == 0 || error == ECONNRESET || error == EPIPE)) {
		counters->resets++;
		t->trouble = TROUBLE_RESET;
	} else {
		counters->timeouts++;
	}
	/* A line that worked and broke is tried again at once: that is the fresh connect. */
	if (stood && t->answers && mono_since (now, t->since) > RETRY_FIRST_NS) {
		t->retry_ns = RETRY_FIRST_NS;
		line_close (t, now, 0);
		connect_start (t, now);
		/* What it meets is the news, a round trip from now: a report of the break would go before it. */
		if (t->line == LINE_CONNECTING)
			return;
	} else if (stood && t->trouble == TROUBLE_RESET && quick_retry (t, now)) {
		return;
	} else {
		line_back_off (t, now);
	}
	state_note (t, now);
}

static void connect_done (target_t *t, mono_t now)
{
	/* A connect to a port of this host that is nobody's can meet itself. */
	struct sockaddr_storage own;
	socklen_t size = sizeof own;
	if (getsockname (t->fd, (struct sockaddr *) &own, &size) == 0 && size == t->at_size &&
	        memcmp (&own, &t->at, size) == 0) {
		line_fail (t, ECONNREFUSED, now);
		return;
	}
	if (loop_set_fd (t->peers->loop, t->fd, POLLIN) != 0) {
		line_fail (t, ENOMEM, now);
		return;
	}
	t->line = LINE_STANDING;
	t->since = t->acknowledged_at = now;
	probe_send (t, now);
}

static void connect_start (target_t *t, mono_t now)
{
	t->peers->counters.connects++;
	t->since = now;
	t->line = LINE_CONNECTING;
	t->fd = socket (t->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0) {
		line_fail (t, errno, now);
		return;
	}
	int one = 1;
	(void) setsockopt (t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	int r = connect (t->fd, (struct sockaddr *) &t->at, t->at_size) < 0 ? errno : 0;
	if (r && r != EINPROGRESS) {
		int fd = t->fd;
		t->fd = -1;
		close (fd);
		line_fail (t, r, now);
		return;
	}
	if (loop_add_fd (t->peers->loop, t->fd, POLLOUT, line_ready, t) != 0) {
		close (t->fd);
		t->fd = -1;
		line_fail (t, ENOMEM, now);
		return;
	}
	if (!r)
		connect_done (t, now);
}

static void answer_take (target_t *t, mono_t now)
{
	peers_counters_t *counters = &t->peers->counters;
	const outstanding_t *probe = &t->ring[t->first];
	if (!t->waiting || !peer_mac_valid (t->key, probe->nonce + 1, t->answer)) {
		counters->mac++;
		line_back_off (t, now);
		return;
	}
	t->rtt_ns = mono_since (now, probe->sent);
	t->first = (t->first + 1) % OUTSTANDING_MAX;
	t->waiting--;
	t->got = 0;
	t->answers++;
	counters->answers++;
	t->answered_at = t->acknowledged_at = now;
	t->worked = true;
	t->trouble = TROUBLE_NONE;
	t->retry_ns = RETRY_FIRST_NS;
	t->quick = 0;
}

static void line_ready (void *arg, int fd, short revents)
{
	target_t *t = arg;
	mono_t now = mono_now ();
	if (t->line == LINE_CONNECTING) {
		int error = 0;
		socklen_t size = sizeof error;
		if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			error = errno;
		if (error)
			line_fail (t, error, now);
		else if (revents & POLLOUT)
			connect_done (t, now);
		return;
	}
	for (int i = 0; i < OUTSTANDING_MAX && t->line == LINE_STANDING; i++) {
		size_t room = sizeof t->answer - t->got;
		ssize_t n = recv (fd, t->answer + t->got, room, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			line_fail (t, n < 0 ? errno : 0, now);
			return;
		}
		t->got += (size_t) n;
		if (t->got == sizeof t->answer)
			answer_take (t, now);
		/* One probe is out, one answer came: asking again would only cost a call. */
		if (!t->waiting)
			break;
	}
	state_note (t, now);
}

static void probe_send (target_t *t, mono_t now)
{
	if (t->waiting == OUTSTANDING_MAX)
		return;
	uint8_t bytes[PEER_HELLO_MAX + PEER_PROBE_SIZE];
	size_t size = 0;
	if (!t->greeted) {
		size_t length = strlen (t->peers->node);
		memcpy (bytes, PEER_MAGIC, 4);
		bytes_put_u32 (bytes + 4, t->epoch);
		bytes_put_u32 (bytes + 8, (uint32_t) length);
		memcpy (bytes + PEER_HELLO_FIXED, t->peers->node, length);
		size = PEER_HELLO_FIXED + length;
	}
	uint64_t nonce = t->peers->nonce += 2;
	bytes_put_u64 (bytes + size, nonce);
	peer_mac (t->key, nonce, bytes + size + 8);
	size += PEER_PROBE_SIZE;
	ssize_t n = send (t->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n != (ssize_t) size) {
		/* At most 16 of 40 bytes wait: a buffer that takes only a part is no buffer that works. */
		line_fail (t, n < 0 && errno != EAGAIN ? errno : ETIMEDOUT, now);
		return;
	}
	t->greeted = true;
	t->ring[(t->first + t->waiting++) % OUTSTANDING_MAX] = (outstanding_t){ nonce, now };
	t->probes++;
	t->peers->counters.probes++;
}

static void target_tick (target_t *t, mono_t now)
{
	switch (t->line) {
	case LINE_IDLE:
		if (mono_since (now, t->retry_at) >= 0)
			connect_start (t, now);
		break;
	case LINE_CONNECTING:
		if (mono_since (now, t->since) >= PEERS_CONNECT_NS)
			line_fail (t, ETIMEDOUT, now);
		break;
	case LINE_STANDING:
		break;
	}
	if (t->line == LINE_STANDING) {
		bool silent = t->waiting && mono_since (now, t->ring[t->first].sent) > PEERS_SILENT_NS;
		if (silent)
			acknowledgement_note (t, now);
		/* A path that came back after a break is found by a fresh connect long before the old
		 * connection's retransmission. */
		if (silent && mono_since (now, t->acknowledged_at) > PEERS_DEAD_NS)
			line_fail (t, ETIMEDOUT, now);
		else
			probe_send (t, now);
	}
	state_note (t, now);
}

void peers_tick (peers_t *self, mono_t now)
{
	for (size_t i = 0; i < self->n; i++)
		target_tick (self->targets[i], now);
}

bool peers_take_changed (peers_t *self)
{
	bool changed = self->changed;
	self->changed = false;
	return changed;
}

size_t peers_count (const peers_t *self)
{
	return self->n;
}
const peers_counters_t *peers_counters (const peers_t *self)
{
	return &self->counters;
}

void peers_observe (const peers_t *self, size_t i, mono_t now, peer_observation_t *ret)
{
	const target_t *t = self->targets[i];
	struct tcp_info info;
	*ret = (peer_observation_t){ .node = t->node,
		.state = state_of (t, now),
		.probes = t->probes,
		.answers = t->answers,
		.age_ns = -1,
		.acknowledged_age_ns = -1 };
	if (t->worked) {
		ret->rtt_ns = t->rtt_ns;
		ret->age_ns = mono_since (now, t->answered_at);
	}
	if (t->acknowledged_at.ns)
		ret->acknowledged_age_ns = mono_since (now, t->acknowledged_at);
	/* An answer that just came says as much; the kernel is asked only where one is missing. */
	if (t->line == LINE_STANDING && t->waiting && ret->age_ns != 0 && kernel_ask (t, &info)) {
		ret->acknowledged_age_ns = (int64_t) info.tcpi_last_ack_recv * NS_PER_MS;
		ret->unacknowledged = info.tcpi_unacked;
	}
}

/* --- targets -------------------------------------------------------------------------------- */

static void target_free (target_t *t)
{
	if (t->timer)
		loop_remove_timer (t->peers->loop, t->timer);
	if (t->fd >= 0) {
		loop_remove_fd (t->peers->loop, t->fd);
		close (t->fd);
	}
	sodium_free (t->key);
	sodium_free (t->key_raw);
	free (t);
}

static bool target_is (const target_t *t, const peer_target_t *wanted)
{
	if (strcmp (t->node, wanted->node) != 0 || strcmp (t->address, wanted->address) != 0 ||
	        t->epoch != wanted->key_epoch || !t->key != !wanted->key)
		return false;
	return !t->key || sodium_memcmp (t->key_raw, wanted->key, MAC_KEY_SIZE) == 0;
}

static int target_new (peers_t *self, const peer_target_t *wanted, mono_t now, target_t **ret)
{
	target_t *t = calloc (1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->peers = self;
	t->fd = -1;
	t->said = BELFRY__V1__PEER_STATE__PEER_STATE_NEVER;
	t->retry_ns = RETRY_FIRST_NS;
	t->retry_at = t->since = now;
	t->epoch = wanted->key_epoch;
	if (strcmp (wanted->node, self->node) == 0 || strlen (wanted->address) >= sizeof t->address ||
	        strlen (wanted->node) >= sizeof t->node ||
	        peer_address (wanted->address, false, &t->at, &t->at_size, NULL) != 0) {
		self->counters.unaddressed++;
		free (t);
		*ret = NULL;
		return 0;
	}
	snprintf (t->node, sizeof t->node, "%s", wanted->node);
	snprintf (t->address, sizeof t->address, "%s", wanted->address);
	if (wanted->key) {
		t->key_raw = sodium_malloc (MAC_KEY_SIZE);
		t->key = sodium_malloc (mac_key_size ());
		if (!t->key_raw || !t->key) {
			target_free (t);
			return -ENOMEM;
		}
		memcpy (t->key_raw, wanted->key, MAC_KEY_SIZE);
		mac_key_init (t->key, t->key_raw);
	}
	*ret = t;
	return 0;
}

int peers_set_targets (peers_t *self, const peer_target_t *targets, size_t n, mono_t now)
{
	target_t *old[PEERS_MAX];
	size_t n_old = self->n;
	memcpy (old, self->targets, n_old * sizeof old[0]);
	self->n = 0;
	self->changed = true;
	int r = 0;
	for (size_t i = 0; i < n; i++) {
		bool twice = false;
		for (size_t k = 0; k < self->n; k++)
			twice |= strcmp (self->targets[k]->node, targets[i].node) == 0;
		if (twice)
			continue;
		if (self->n == PEERS_MAX) {
			self->counters.unaddressed++;
			continue;
		}
		target_t *t = NULL;
		for (size_t k = 0; k < n_old && !t; k++) {
			if (old[k] && target_is (old[k], &targets[i])) {
				t = old[k];
				old[k] = NULL;
			}
		}
		if (!t)
			r = target_new (self, &targets[i], now, &t);
		if (r)
			break;
		if (t)
			self->targets[self->n++] = t;
	}
	for (size_t k = 0; k < n_old; k++) {
		if (old[k])
			target_free (old[k]);
	}
	return r;
}

int peers_new (loop_t *loop, const char *node, uint64_t first_nonce, peers_t **ret)
{
	peers_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->loop = loop;
	self->nonce = first_nonce;
	snprintf (self->node, sizeof self->node, "%s", node);
	*ret = self;
	return 0;
}

void peers_destroy (peers_t **self_p)
{
	peers_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n; i++)
		target_free (self->targets[i]);
	if (self->timer)
		loop_remove_timer (self->loop, self->timer);
	free (self);
	*self_p = NULL;
}
