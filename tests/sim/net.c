/* Each epoch of a connection has two pipes. A pipe outlives its epoch until what was under way has come out,
 * so it is kept apart from the connection, in the net's list. */

#include "net.h"

#include <stdlib.h>
#include <string.h>

/* zeromq-facts.md and lib/net/link.c: RECONNECT_IVL and its cap, TCP_MAXRT 10 s, keepalive up to 19 s. */
#define RETRY_FIRST_NS (10 * NS_PER_MS)
#define RETRY_MAX_MIN_NS (750 * NS_PER_MS)
#define RETRY_MAX_MAX_NS (1250 * NS_PER_MS)
#define HANDSHAKE_NS (3 * NS_PER_S)
#define GIVEN_UP_MIN_NS (10 * NS_PER_S)
#define GIVEN_UP_MAX_NS (20 * NS_PER_S)

enum { BATCH = 256, DESCRIPTOR_FIRST = 10 };

typedef struct message {
	struct message *next;
	int64_t ready;
	uint32_t n, size[NET_PARTS_MAX];
	uint8_t data[];
} message_t;

typedef struct pipe {
	struct pipe *next, **link;
	conn_t *conn;
	direction_t direction;
	int descriptor;
	message_t *first, **last;
	size_t n;
	int64_t last_ready;
	bool scheduled;
	bool detached; /* its connection ended: freed when it is empty */
} pipe_t;

/* One end's view of the connection. */
typedef struct {
	bool open;
	bool ending; /* the kernel knows of the end, the program does not yet */
} side_t;

struct conn {
	conn_t *next;
	net_t *net;
	conn_options_t options;
	uint64_t number;
	uint64_t epoch; /* grows with each end */
	side_t sides[2];
	pipe_t *pipes[2]; /* NULL: what is sent is gone */
	int descriptor;
	int64_t retry_ns, retry_max_ns;
	bool trying;
	bool waiting; /* TCP stands, and the server, which is stopped, does not shake hands */
};

struct net {
	sim_t *sim;
	conn_t *conns;
	pipe_t *pipes;
	uint64_t numbers;
	bool descriptors[4096];
	net_counters_t counters;
};

net_t *net_new (sim_t *sim)
{
	net_t *self = sim_alloc (sizeof *self);
	self->sim = sim;
	return self;
}

static process_t *process_at (const conn_t *self, direction_t end)
{
	return end == NET_TO_SERVER ? self->options.server : self->options.client;
}

static const end_t *end_at (const conn_t *self, direction_t end)
{
	return end == NET_TO_SERVER ? &self->options.server_end : &self->options.client_end;
}

/* sides[d] is where messages of direction d arrive. */
static direction_t other (direction_t d)
{
	return d == NET_TO_SERVER ? NET_TO_CLIENT : NET_TO_SERVER;
}

/* Pipes. */

static pipe_t *pipe_new (conn_t *conn, direction_t direction)
{
	net_t *net = conn->net;
	pipe_t *self = sim_alloc (sizeof *self);
	self->conn = conn;
	self->direction = direction;
	self->descriptor = conn->descriptor;
	self->last = &self->first;
	self->next = net->pipes;
	self->link = &net->pipes;
	if (self->next)
		self->next->link = &self->next;
	net->pipes = self;
	return self;
}

static message_t *pipe_take (pipe_t *self)
{
	message_t *message = self->first;
	self->first = message->next;
	if (!self->first)
		self->last = &self->first;
	self->n--;
	return message;
}

static void pipe_free (pipe_t *self)
{
	while (self->first)
		free (pipe_take (self));
	*self->link = self->next;
	if (self->next)
		self->next->link = self->link;
	free (self);
}

/* What is in it arrives nowhere. */
static void pipe_drop (pipe_t *self)
{
	while (self->first)
		free (pipe_take (self));
	if (self->detached && !self->scheduled)
		pipe_free (self);
}

static void on_pump (void *context, uint64_t argument);

static void pipe_schedule (pipe_t *self)
{
	const conn_t *conn = self->conn;
	if (self->scheduled || !self->first || conn->options.path->blocked ||
	        process_at (conn, self->direction)->stopped)
		return;
	self->scheduled = true;
	sim_at (conn->net->sim, self->first->ready, on_pump, self, 0);
}

static void message_corrupt (net_t *net, message_t *message)
{
	size_t total = 0;
	for (uint32_t i = 0; i < message->n; i++)
		total += message->size[i];
	if (!total)
		return;
	message->data[sim_below (net->sim, total)] ^= (uint8_t) (1u << sim_below (net->sim, 8));
	net->counters.corrupted++;
}

static void deliver (pipe_t *self, message_t *message)
{
	conn_t *conn = self->conn;
	const end_t *end = end_at (conn, self->direction);
	span_t parts[NET_PARTS_MAX];
	size_t at = 0;
	uint32_t ppm = conn->options.path->corrupt_ppm;
	if (ppm && !conn->options.intact[self->direction] && sim_chance (conn->net->sim, ppm, 1000000))
		message_corrupt (conn->net, message);
	for (uint32_t i = 0; i < message->n; i++) {
		parts[i] = span_of (message->data + at, message->size[i]);
		at += message->size[i];
	}
	conn->net->counters.delivered++;
	end->took (end->context, conn, self->descriptor, parts, message->n);
}

static void on_pump (void *context, uint64_t argument)
{
	pipe_t *self = context;
	(void) argument;
	conn_t *conn = self->conn;
	process_t *to = process_at (conn, self->direction);
	self->scheduled = false;
	for (int i = 0; i < BATCH && self->first && self->first->ready <= sim_now (conn->net->sim); i++) {
		if (conn->options.path->blocked || !process_runs (to))
			break;
		message_t *message = pipe_take (self);
		/* So that the pipe stays while its messages are taken, whatever they lead to. */
		self->scheduled = true;
		deliver (self, message);
		self->scheduled = false;
		free (message);
	}
	if (self->detached && (!self->first || !to->alive))
		pipe_free (self);
	else
		pipe_schedule (self);
}

/* What was under way arrives up to a point that chance decides; all or nothing of it where keep says so. */
typedef enum { KEEP_SOME, KEEP_NONE } keep_t;

static void pipe_detach (pipe_t *self, keep_t keep)
{
	net_t *net = self->conn->net;
	/* What the program has not taken out yet may come after the news of the connection's end. */
	int64_t wait = sim_chance (net->sim, 1, 3) ? sim_between (net->sim, 0, 50 * NS_PER_MS) : 0;
	size_t n = keep == KEEP_SOME ? sim_below (net->sim, self->n + 1) : 0;
	message_t **at = &self->first;
	for (size_t i = 0; i < n; i++) {
		(*at)->ready += wait;
		at = &(*at)->next;
	}
	message_t *gone = *at;
	*at = NULL;
	self->last = at;
	net->counters.cut += self->n - n;
	self->n = n;
	while (gone) {
		message_t *next = gone->next;
		free (gone);
		gone = next;
	}
	self->detached = true;
	self->conn->pipes[self->direction] = NULL;
	if (!self->first && !self->scheduled)
		pipe_free (self);
}

/* Connections. */

static void on_try (void *context, uint64_t epoch);

conn_t *conn_new (net_t *self, const conn_options_t *options)
{
	conn_t *conn = sim_alloc (sizeof *conn);
	conn->net = self;
	conn->options = *options;
	conn->number = ++self->numbers;
	conn->descriptor = -1;
	conn->retry_ns = RETRY_FIRST_NS;
	conn->retry_max_ns = sim_between (self->sim, RETRY_MAX_MIN_NS, RETRY_MAX_MAX_NS);
	conn->next = self->conns;
	self->conns = conn;
	return conn;
}

static int64_t latency (conn_t *self)
{
	const path_t *path = self->options.path;
	return path->latency_ns + (path->jitter_ns ? sim_between (self->net->sim, 0, path->jitter_ns) : 0);
}

static void try_later (conn_t *self)
{
	sim_t *sim = self->net->sim;
	self->trying = true;
	self->waiting = false;
	sim_after (sim, self->retry_ns + sim_between (sim, 0, RETRY_FIRST_NS), on_try, self, self->epoch);
	self->retry_ns = self->retry_ns * 2 < self->retry_max_ns ? self->retry_ns * 2 : self->retry_max_ns;
}

void conn_start (conn_t *self)
{
	if (self->trying || self->sides[NET_TO_CLIENT].open)
		return;
	self->retry_ns = RETRY_FIRST_NS;
	try_later (self);
}

static bool possible (const conn_t *self)
{
	return process_runs (self->options.client) && process_runs (self->options.server) &&
	       !self->options.path->blocked && !self->sides[0].open && !self->sides[1].open;
}

static void on_established (void *context, uint64_t epoch)
{
	conn_t *self = context;
	net_t *net = self->net;
	if (epoch != self->epoch)
		return;
	self->trying = false;
	if (!possible (self)) {
		try_later (self);
		return;
	}
	int descriptor = DESCRIPTOR_FIRST;
	while (net->descriptors[descriptor])
		descriptor++;
	net->descriptors[descriptor] = true;
	self->descriptor = descriptor;
	self->retry_ns = RETRY_FIRST_NS;
	for (direction_t d = NET_TO_SERVER; d <= NET_TO_CLIENT; d++) {
		self->sides[d] = (side_t){ .open = true };
		self->pipes[d] = pipe_new (self, d);
	}
	sim_trace (net->sim, "%s connected as %d", self->options.name, descriptor);
	self->options.server_end.opened (self->options.server_end.context, self);
	self->options.client_end.opened (self->options.client_end.context, self);
}

/* Nobody shook hands in time. */
static void on_no_handshake (void *context, uint64_t epoch)
{
	conn_t *self = context;
	if (epoch == self->epoch && self->waiting)
		try_later (self);
}

static void on_try (void *context, uint64_t epoch)
{
	conn_t *self = context;
	const process_t *server = self->options.server;
	if (epoch != self->epoch)
		return;
	self->trying = false;
	if (!self->options.client->alive)
		return;
	if (process_runs (self->options.client) && server->stopped && !self->options.path->blocked) {
		self->trying = self->waiting = true;
		sim_after (self->net->sim, HANDSHAKE_NS, on_no_handshake, self, self->epoch);
		return;
	}
	if (!possible (self)) {
		try_later (self);
		return;
	}
	self->trying = true;
	/* The handshakes of TCP and ZMTP. */
	sim_after (self->net->sim, 3 * latency (self), on_established, self, self->epoch);
}

bool conn_open (const conn_t *self, direction_t from)
{
	return self->sides[other (from)].open;
}
uint64_t conn_number (const conn_t *self)
{
	return self->number;
}
const char *conn_name (const conn_t *self)
{
	return self->options.name;
}

bool conn_send (conn_t *self, direction_t direction, const span_t *parts, size_t n)
{
	net_t *net = self->net;
	if (!self->sides[other (direction)].open)
		return false;
	pipe_t *pipe = self->pipes[direction];
	net->counters.sent++;
	if (!pipe) {
		net->counters.cut++;
		return true;
	}
	if (pipe->n >= self->options.hwm[direction]) {
		net->counters.dropped++;
		return false;
	}
	size_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += parts[i].size;
	message_t *message = sim_alloc (sizeof *message + total);
	message->n = (uint32_t) n;
	total = 0;
	for (size_t i = 0; i < n; i++) {
		message->size[i] = (uint32_t) parts[i].size;
		if (parts[i].size)
			memcpy (message->data + total, parts[i].data, parts[i].size);
		total += parts[i].size;
	}
	message->ready = sim_now (net->sim) + latency (self);
	if (message->ready < pipe->last_ready)
		message->ready = pipe->last_ready;
	pipe->last_ready = message->ready;
	*pipe->last = message;
	pipe->last = &message->next;
	pipe->n++;
	pipe_schedule (pipe);
	return true;
}

/* Ends. */

static void side_close_later (conn_t *self, direction_t at, int64_t delay);

/* The program at that side learns that the connection is over. */
static void side_close (conn_t *self, direction_t at)
{
	side_t *side = &self->sides[at];
	if (!side->open)
		return;
	const process_t *process = process_at (self, at);
	if (process->stopped) {
		side->ending = true;
		return;
	}
	*side = (side_t){ 0 };
	int descriptor = self->descriptor;
	if (at == NET_TO_SERVER)
		self->net->descriptors[descriptor] = false;
	/* What it had not sent yet goes nowhere. */
	if (self->pipes[other (at)])
		pipe_detach (self->pipes[other (at)], KEEP_SOME);
	if (process->alive) {
		const end_t *end = end_at (self, at);
		end->closed (end->context, self, descriptor);
	}
	if (self->sides[other (at)].open) {
		if (!self->options.path->blocked)
			side_close_later (self, other (at), latency (self));
	} else {
		self->epoch++;
		self->trying = false;
		if (self->options.client->alive)
			try_later (self);
	}
}

static void on_side_closed (void *context, uint64_t argument)
{
	conn_t *self = context;
	if (argument >> 1 == self->epoch)
		side_close (self, (direction_t) (argument & 1));
}

static void side_close_later (conn_t *self, direction_t at, int64_t delay)
{
	sim_after (self->net->sim, delay, on_side_closed, self, self->epoch << 1 | at);
}

void conn_cut (conn_t *self)
{
	/* Over a way that is cut off no reset comes either. */
	if ((!self->sides[0].open && !self->sides[1].open) || self->options.path->blocked)
		return;
	sim_trace (self->net->sim, "%s is reset", self->options.name);
	for (direction_t d = NET_TO_SERVER; d <= NET_TO_CLIENT; d++) {
		if (self->pipes[d])
			pipe_detach (self->pipes[d], KEEP_SOME);
		side_close_later (self, d, latency (self));
	}
}

/* The kernels of both sides, each in its own time, give up on what nobody acknowledges. */
static void on_given_up (void *context, uint64_t argument)
{
	conn_t *self = context;
	direction_t at = (direction_t) (argument & 1);
	const path_t *path = self->options.path;
	if (argument >> 1 != self->epoch || !path->blocked || !self->sides[at].open)
		return;
	/* Blocked since another moment: that block has its own. */
	if (sim_now (self->net->sim) - path->blocked_at < GIVEN_UP_MIN_NS)
		return;
	sim_trace (self->net->sim, "%s is given up by its %s", self->options.name,
	        at == NET_TO_SERVER ? "server" : "client");
	for (direction_t d = NET_TO_SERVER; d <= NET_TO_CLIENT; d++) {
		if (self->pipes[d])
			pipe_detach (self->pipes[d], KEEP_NONE);
	}
	/* What is under way from a process that died meets a closed door too. */
	for (pipe_t *pipe = self->net->pipes, *next; pipe; pipe = next) {
		next = pipe->next;
		if (pipe->conn == self)
			pipe_drop (pipe);
	}
	side_close (self, at);
}

void path_block (net_t *self, path_t *path)
{
	if (path->blocked)
		return;
	path->blocked = true;
	path->blocked_at = sim_now (self->sim);
	for (conn_t *conn = self->conns; conn; conn = conn->next) {
		if (conn->options.path != path)
			continue;
		for (direction_t d = NET_TO_SERVER; d <= NET_TO_CLIENT; d++)
			sim_after (self->sim, sim_between (self->sim, GIVEN_UP_MIN_NS, GIVEN_UP_MAX_NS),
			        on_given_up, conn, conn->epoch << 1 | d);
	}
}

void path_unblock (net_t *self, path_t *path)
{
	if (!path->blocked)
		return;
	path->blocked = false;
	/* TCP sends again when its timer says so, which backed off while nothing came back. */
	int64_t lasted = sim_now (self->sim) - path->blocked_at;
	int64_t wait = sim_between (self->sim, 0, lasted < 2 * NS_PER_S ? lasted : 2 * NS_PER_S);
	for (pipe_t *pipe = self->pipes; pipe; pipe = pipe->next) {
		if (pipe->conn->options.path != path)
			continue;
		for (message_t *m = pipe->first; m; m = m->next) {
			if (m->ready < sim_now (self->sim) + wait)
				m->ready = sim_now (self->sim) + wait;
		}
		if (pipe->last_ready < sim_now (self->sim) + wait)
			pipe->last_ready = sim_now (self->sim) + wait;
		pipe_schedule (pipe);
	}
	/* One side is gone: the other's next segment is answered by a reset. */
	for (conn_t *conn = self->conns; conn; conn = conn->next) {
		for (direction_t d = NET_TO_SERVER; d <= NET_TO_CLIENT; d++) {
			const side_t *far = &conn->sides[other (d)];
			if (conn->options.path == path && conn->sides[d].open && (!far->open || far->ending))
				side_close_later (conn, d, wait + latency (conn));
		}
	}
}

void net_killed (net_t *self, process_t *process)
{
	for (conn_t *conn = self->conns; conn; conn = conn->next) {
		for (direction_t d = NET_TO_SERVER; d <= NET_TO_CLIENT; d++) {
			if (process_at (conn, d) != process)
				continue;
			if (conn->pipes[d])
				pipe_detach (conn->pipes[d], KEEP_NONE);
			side_close (conn, d);
		}
	}
	for (conn_t *conn = self->conns; conn; conn = conn->next) {
		if (conn->waiting && (conn->options.server == process || conn->options.client == process))
			try_later (conn);
	}
	for (pipe_t *pipe = self->pipes, *next; pipe; pipe = next) {
		next = pipe->next;
		if (process_at (pipe->conn, pipe->direction) == process)
			pipe_drop (pipe);
	}
}

void net_resumed (net_t *self, process_t *process)
{
	sim_t *sim = self->sim;
	for (conn_t *conn = self->conns; conn; conn = conn->next) {
		for (direction_t d = NET_TO_SERVER; d <= NET_TO_CLIENT; d++) {
			if (process_at (conn, d) == process && conn->sides[d].ending)
				side_close_later (conn, d, sim_between (sim, 0, NS_PER_MS));
		}
		if (conn->waiting && conn->options.server == process) {
			conn->waiting = false;
			sim_after (sim, 3 * latency (conn), on_established, conn, conn->epoch);
		}
	}
	for (pipe_t *pipe = self->pipes; pipe; pipe = pipe->next) {
		if (process_at (pipe->conn, pipe->direction) != process)
			continue;
		if (pipe->first && pipe->first->ready <= sim_now (sim))
			pipe->first->ready = sim_now (sim) + sim_between (sim, 0, NS_PER_MS);
		pipe_schedule (pipe);
	}
}

const net_counters_t *net_counters (const net_t *self)
{
	return &self->counters;
}

void net_destroy (net_t **self_p)
{
	net_t *self = *self_p;
	if (!self)
		return;
	while (self->pipes)
		pipe_free (self->pipes);
	while (self->conns) {
		conn_t *next = self->conns->next;
		free (self->conns);
		self->conns = next;
	}
	free (self);
	*self_p = NULL;
}
