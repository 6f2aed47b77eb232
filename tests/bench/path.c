/* The sender counts what it sent, the subscriber's thread what arrived; with the window full the sender
 * sleeps until it is half empty, so that neither spins on a processor that the program under test needs.
 * The subscriber knows a collector's own messages by their topic and leaves them out. */

#include "path.h"

#include <errno.h>
#include <pthread.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "net/loop.h"
#include "wire/control.h"

enum { BATCH = 256, MARK = 1000000, STALL_S = 3, GREET_MS = 20, GREETINGS_MAX = 500 };

struct path {
	path_options_t options;
	traffic_t *traffic;
	net_context_t *context, *sink_context;
	link_t **links; /* a node each */
	size_t n_links;
	link_t *sink;
	loop_t *loop;
	pthread_t thread;
	bool running;
	clockid_t cpu_clock;

	_Atomic size_t received; /* since ever */
	_Atomic size_t awaited;  /* received at which the sender wants to be woken; SIZE_MAX: never */
	sem_t wake;
	int64_t last_ns; /* of the newest arrival; read after `received` */

	_Atomic bool timed;
	int64_t *sent_ns;
	double *latencies_ns;
	size_t n_latencies;
};

static int64_t now_ns (void)
{
	return mono_now ().ns;
}

static bool is_collectors (span_t topic)
{
	static const char mark[] = "/collector.";
	return memmem (topic.data, topic.size, mark, sizeof mark - 1) != NULL;
}

static void time_it (path_t *self, span_t envelope, int64_t at)
{
	size_t i = traffic_find (self->traffic, envelope);
	if (i < traffic_count (self->traffic))
		self->latencies_ns[self->n_latencies++] = (double) (at - self->sent_ns[i]);
}

static void on_sink (void *arg, link_t *link)
{
	path_t *self = arg;
	size_t received = atomic_load_explicit (&self->received, memory_order_relaxed), before = received;
	bool timed = atomic_load_explicit (&self->timed, memory_order_acquire);
	for (int i = 0; i < BATCH; i++) {
		frame_t frames[2] = { 0 };
		size_t n = 0;
		if (link_receive (link, frames, 2, &n))
			break;
		if (n == 2 && !is_collectors (frame_bytes (&frames[0]))) {
			if (timed)
				time_it (self, frame_bytes (&frames[1]), now_ns ());
			received++;
		}
		frame_close (&frames[0]);
		frame_close (&frames[1]);
	}
	if (received == before)
		return;
	self->last_ns = now_ns ();
	atomic_store (&self->received, received);
	size_t awaited = atomic_load (&self->awaited);
	if (received >= awaited && atomic_compare_exchange_strong (&self->awaited, &awaited, SIZE_MAX))
		sem_post (&self->wake);
}

static void *sink_body (void *arg)
{
	path_t *self = arg;
	prctl (PR_SET_TIMERSLACK, 1UL);
	loop_run (self->loop);
	return NULL;
}

/* Sleeps until received reaches count; false when nothing arrives for STALL_S. */
static bool wait_for (path_t *self, size_t count)
{
	size_t seen = atomic_load (&self->received);
	while (seen < count) {
		atomic_store (&self->awaited, count);
		if (atomic_load (&self->received) >= count) {
			size_t awaited = count;
			/* Taken back, or the subscriber's post is on its way. */
			if (!atomic_compare_exchange_strong (&self->awaited, &awaited, SIZE_MAX))
				sem_wait (&self->wake);
			return true;
		}
		struct timespec until;
		clock_gettime (CLOCK_MONOTONIC, &until);
		until.tv_sec += STALL_S;
		int r;
		while ((r = sem_clockwait (&self->wake, CLOCK_MONOTONIC, &until)) != 0 && errno == EINTR)
			;
		size_t now = atomic_load (&self->received);
		if (r != 0) {
			size_t awaited = count;
			if (!atomic_compare_exchange_strong (&self->awaited, &awaited, SIZE_MAX))
				sem_wait (&self->wake);
			if (now == seen)
				return false;
		}
		seen = now;
	}
	return true;
}

static int send_one (path_t *self, const traffic_message_t *m)
{
	const span_t parts[] = { m->topic, m->envelope };
	return link_send (self->links[m->node], parts, 2);
}

static double program_cpu_ns (const path_t *self)
{
	struct timespec ts = { 0 };
	clock_gettime (self->cpu_clock, &ts);
	return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}

/* The beginning. */

static int hello (
        path_t *self, link_t *control, keyring_t *keyring, const char *cluster, size_t node, err_t *err)
{
	union {
		const char *in;
		char *out;
	} cluster_name = { cluster }, name = { traffic_node (self->traffic, node) },
	  version = { BELFRY_VERSION };
	Belfry__V1__Control message = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello say = BELFRY__V1__HELLO__INIT;
	say.cluster = cluster_name.out;
	say.node = message.node = name.out;
	say.incarnation = traffic_incarnation (self->traffic);
	say.boot_nonce = traffic_boot_nonce (self->traffic);
	say.version = version.out;
	say.wire_version = 1;
	say.heartbeat_interval_ns = 200 * NS_PER_MS;
	message.id = node + 1;
	message.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	message.hello = &say;
	uint8_t *bytes;
	size_t size;
	int r = control_pack (&message, CONTROL_TO_COLLECTOR, keyring, name.in, &bytes, &size);
	if (r)
		return error_set (err, r, "a hello cannot be packed");
	const span_t part = span_of (bytes, size);
	struct pollfd idle = { .fd = -1 };
	int tries = 0;
	/* Not connected yet, then not answered yet. */
	while ((r = link_send (control, &part, 1)) == -EAGAIN && tries++ < GREETINGS_MAX)
		poll (&idle, 0, GREET_MS);
	free (bytes);
	frame_t frame = { 0 };
	size_t n = 0;
	while (!r && (r = link_receive (control, &frame, 1, &n)) == -EAGAIN && tries++ < GREETINGS_MAX)
		r = poll (&idle, 0, GREET_MS);
	if (r)
		return error_set (err, r, "%s: no answer to a hello", self->options.name);
	Belfry__V1__Control *answer;
	bool is_signed;
	span_t got = frame_bytes (&frame);
	bool welcome = control_unpack (got.data, got.size, NULL, &answer, &is_signed) == REFUSAL_NONE;
	if (welcome) {
		welcome = answer->body_case == BELFRY__V1__CONTROL__BODY_WELCOME && answer->welcome->accepted;
		belfry__v1__control__free_unpacked (answer, NULL);
	}
	frame_close (&frame);
	return welcome ? 0 : error_set (err, -EPROTO, "%s does not welcome %s", self->options.name, name.in);
}

static int hellos (path_t *self, keyring_t *keyring, const char *cluster, err_t *err)
{
	link_t *control;
	int r = link_new (self->context, LINK_CONTROL_CLIENT, NULL, &control);
	if (r)
		return error_set (err, r, "no socket for control");
	r = link_connect (control, self->options.control, err);
	for (size_t i = 0; i < self->n_links && !r; i++)
		r = hello (self, control, keyring, cluster, i, err);
	link_destroy (&control);
	return r;
}

/* A link takes its subscriptions in only when it is asked to receive. */
static void take_subscriptions (path_t *self)
{
	for (size_t i = 0; i < self->n_links; i++) {
		frame_t frame = { 0 };
		size_t n = 0;
		while (link_receive (self->links[i], &frame, 1, &n) == 0)
			frame_close (&frame);
	}
}

/* Until a round of heartbeats arrives whole: then every subscription on the way is in force. */
static int warm (path_t *self, err_t *err)
{
	struct pollfd idle = { .fd = -1 };
	for (int tries = 0; tries < GREETINGS_MAX; tries++) {
		take_subscriptions (self);
		size_t before = atomic_load (&self->received);
		traffic_clear (self->traffic);
		traffic_introduce (self->traffic);
		for (size_t i = 0; i < traffic_count (self->traffic); i++)
			send_one (self, traffic_at (self->traffic, i));
		for (int wait = 0; wait < 5; wait++) {
			poll (&idle, 0, GREET_MS);
			if (atomic_load (&self->received) - before == traffic_count (self->traffic))
				return 0;
		}
	}
	return error_set (
	        err, -ETIMEDOUT, "%s: the nodes' heartbeats do not come through", self->options.name);
}

static int start (path_t *self, keyring_t *keyring, const char *cluster, err_t *err)
{
	const link_options_t marks = { .send_hwm = MARK, .receive_hwm = MARK };
	int r = clock_getcpuclockid (self->options.pid, &self->cpu_clock);
	if (r)
		return error_set (
		        err, -r, "%s: process %d is not there", self->options.name, (int) self->options.pid);
	if ((r = net_context_new (1, &self->context)) || (r = net_context_new (1, &self->sink_context)) ||
	        (r = link_new (self->sink_context, LINK_SUBSCRIBER, &marks, &self->sink)) ||
	        (r = link_subscribe (self->sink, span_str (""))) || (r = loop_new (&self->loop)) ||
	        (r = loop_add_link (self->loop, self->sink, on_sink, self)))
		return error_set (err, r, "%s: cannot make its sockets", self->options.name);
	if ((r = link_connect (self->sink, self->options.out, err)))
		return r;
	for (size_t i = 0; i < self->n_links; i++) {
		if ((r = link_new (self->context, LINK_AGENT_STREAM, &marks, &self->links[i])))
			return error_set (err, r, "%s: cannot make its sockets", self->options.name);
		if ((r = link_connect (self->links[i], self->options.in, err)))
			return r;
	}
	if ((r = pthread_create (&self->thread, NULL, sink_body, self)))
		return error_set (err, -r, "no thread");
	self->running = true;
	if (self->options.control && (r = hellos (self, keyring, cluster, err)))
		return r;
	return warm (self, err);
}

int path_new (const path_options_t *options, traffic_t *traffic, keyring_t *keyring, const char *cluster,
        size_t nodes, path_t **ret, err_t *err)
{
	path_t *self = calloc (1, sizeof *self);
	if (!self || !(self->links = calloc (nodes, sizeof (link_t *)))) {
		free (self);
		return error_set (err, -ENOMEM, "out of memory");
	}
	self->options = *options;
	self->traffic = traffic;
	self->n_links = nodes;
	self->awaited = SIZE_MAX;
	sem_init (&self->wake, 0, 0);
	prctl (PR_SET_TIMERSLACK, 1UL);
	int r = start (self, keyring, cluster, err);
	if (r)
		path_destroy (&self);
	else
		*ret = self;
	return r;
}

void path_destroy (path_t **self_p)
{
	path_t *self = *self_p;
	if (!self)
		return;
	if (self->running) {
		loop_stop (self->loop);
		pthread_join (self->thread, NULL);
	}
	if (self->loop && self->sink)
		loop_remove_link (self->loop, self->sink);
	loop_destroy (&self->loop);
	for (size_t i = 0; i < self->n_links; i++)
		link_destroy (&self->links[i]);
	link_destroy (&self->sink);
	net_context_destroy (&self->context);
	net_context_destroy (&self->sink_context);
	sem_destroy (&self->wake);
	free (self->links);
	free (self);
	*self_p = NULL;
}

const char *path_name (const path_t *self)
{
	return self->options.name;
}

static void finish (path_t *self, size_t base, int64_t start_ns, double cpu_start, path_result_t *ret)
{
	ret->cpu_ns = program_cpu_ns (self) - cpu_start;
	ret->received = atomic_load (&self->received) - base;
	ret->seconds = (double) (self->last_ns - start_ns) / 1e9;
}

void path_flood (path_t *self, size_t window, path_result_t *ret)
{
	size_t n = traffic_count (self->traffic), base = atomic_load (&self->received), sent = 0,
	       given_up = 0;
	double cpu_start = program_cpu_ns (self);
	int64_t start_ns = now_ns ();
	while (sent < n) {
		size_t under_way = sent - given_up -
		                   (atomic_load_explicit (&self->received, memory_order_relaxed) - base);
		if (under_way >= window) {
			/* What does not come within 3 s is lost, and keeps the window no longer. */
			if (!wait_for (self, base + sent - given_up - window / 2))
				given_up = sent - (atomic_load (&self->received) - base);
			continue;
		}
		sent += send_one (self, traffic_at (self->traffic, sent)) == 0;
	}
	wait_for (self, base + n - given_up);
	ret->sent = sent;
	finish (self, base, start_ns, cpu_start, ret);
}

void path_pace (path_t *self, double rate, double *latencies_ns, path_result_t *ret)
{
	size_t n = traffic_count (self->traffic), base = atomic_load (&self->received);
	self->sent_ns = calloc (n, sizeof *self->sent_ns);
	self->latencies_ns = latencies_ns;
	self->n_latencies = 0;
	*ret = (path_result_t){ 0 };
	if (!self->sent_ns)
		return;
	atomic_store (&self->timed, true);
	double cpu_start = program_cpu_ns (self);
	int64_t start_ns = now_ns ();
	for (size_t i = 0; i < n; i++) {
		int64_t due = start_ns + (int64_t) ((double) i / rate * 1e9);
		const struct timespec at = { due / NS_PER_S, due % NS_PER_S };
		while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
			;
		self->sent_ns[i] = now_ns ();
		ret->sent += send_one (self, traffic_at (self->traffic, i)) == 0;
	}
	wait_for (self, base + n);
	atomic_store (&self->timed, false);
	finish (self, base, start_ns, cpu_start, ret);
	ret->received = self->n_latencies;
	free (self->sent_ns);
	self->sent_ns = NULL;
}
