/* The queue is a binary heap by moment, then by the order of the calls. Chance is xoshiro256**, seeded
 * through splitmix64 (Blackman and Vigna). */

#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRACE_LINES = 120, TRACE_LINE_MAX = 240 };

typedef struct {
	int64_t when;
	uint64_t order;
	sim_step_fn *step;
	void *context;
	uint64_t argument;
} step_t;

struct sim {
	int64_t now;
	uint64_t order, steps, digest;
	uint64_t random[4];
	step_t *heap;
	size_t n, room;
	bool verbose;
	char trace[TRACE_LINES][TRACE_LINE_MAX];
	uint64_t traced;
	const char *failure;
	char failure_text[ERROR_TEXT_MAX];
	int64_t failed_at;
};

void *sim_alloc (size_t size)
{
	void *p = calloc (1, size ? size : 1);
	if (!p)
		abort ();
	return p;
}

void *sim_grow (void *old, size_t size)
{
	void *p = realloc (old, size ? size : 1);
	if (!p)
		abort ();
	return p;
}

static uint64_t splitmix (uint64_t *state)
{
	uint64_t z = (*state += UINT64_C (0x9e3779b97f4a7c15));
	z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
	return z ^ z >> 31;
}

sim_t *sim_new (uint64_t seed, bool verbose)
{
	sim_t *self = sim_alloc (sizeof *self);
	for (size_t i = 0; i < 4; i++)
		self->random[i] = splitmix (&seed);
	self->verbose = verbose;
	self->digest = UINT64_C (0xcbf29ce484222325);
	return self;
}

void sim_destroy (sim_t **self_p)
{
	if (!*self_p)
		return;
	free ((*self_p)->heap);
	free (*self_p);
	*self_p = NULL;
}

int64_t sim_now (const sim_t *self)
{
	return self->now;
}

static bool before (const step_t *a, const step_t *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

void sim_at (sim_t *self, int64_t when_ns, sim_step_fn *step, void *context, uint64_t argument)
{
	if (self->n == self->room) {
		self->room = self->room ? self->room * 2 : 1024;
		self->heap = sim_grow (self->heap, self->room * sizeof *self->heap);
	}
	const step_t new = { when_ns > self->now ? when_ns : self->now, self->order++, step, context,
		argument };
	size_t i = self->n++;
	for (; i > 0 && before (&new, &self->heap[(i - 1) / 2]); i = (i - 1) / 2)
		self->heap[i] = self->heap[(i - 1) / 2];
	self->heap[i] = new;
}

void sim_after (sim_t *self, int64_t delay_ns, sim_step_fn *step, void *context, uint64_t argument)
{
	sim_at (self, self->now + delay_ns, step, context, argument);
}

static step_t heap_take (sim_t *self)
{
	const step_t first = self->heap[0], last = self->heap[--self->n];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= self->n)
			break;
		if (child + 1 < self->n && before (&self->heap[child + 1], &self->heap[child]))
			child++;
		if (!before (&self->heap[child], &last))
			break;
		self->heap[i] = self->heap[child];
		i = child;
	}
	self->heap[i] = last;
	return first;
}

void sim_run (sim_t *self, int64_t until_ns, sim_check_fn *check, void *context)
{
	while (self->n && self->heap[0].when <= until_ns && !self->failure) {
		const step_t step = heap_take (self);
		self->now = step.when;
		self->steps++;
		step.step (step.context, step.argument);
		if (check)
			check (context);
	}
	if (!self->failure && self->now < until_ns)
		self->now = until_ns;
}

uint64_t sim_steps (const sim_t *self)
{
	return self->steps;
}

static uint64_t rotated (uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

uint64_t sim_random (sim_t *self)
{
	uint64_t *s = self->random;
	const uint64_t result = rotated (s[1] * 5, 7) * 9, t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotated (s[3], 45);
	return result;
}

uint64_t sim_below (sim_t *self, uint64_t n)
{
	return sim_random (self) % n;
}

int64_t sim_between (sim_t *self, int64_t low, int64_t high)
{
	return low + (int64_t) sim_below (self, (uint64_t) (high - low) + 1);
}

bool sim_chance (sim_t *self, uint64_t n, uint64_t of)
{
	return sim_below (self, of) < n;
}

static void trace_line (sim_t *self, const char *format, va_list args)
{
	char *line = self->trace[self->traced++ % TRACE_LINES];
	int n = snprintf (line, TRACE_LINE_MAX, "%10.6f ", (double) self->now / 1e9);
	vsnprintf (line + n, TRACE_LINE_MAX - (size_t) n, format, args);
	if (self->verbose)
		puts (line);
}

void sim_trace (sim_t *self, const char *format, ...)
{
	va_list args;
	va_start (args, format);
	trace_line (self, format, args);
	va_end (args);
}

void sim_trace_print (const sim_t *self)
{
	uint64_t first = self->traced > TRACE_LINES ? self->traced - TRACE_LINES : 0;
	for (uint64_t i = first; i < self->traced; i++)
		puts (self->trace[i % TRACE_LINES]);
}

void sim_fail (sim_t *self, const char *name, const char *format, ...)
{
	if (self->failure)
		return;
	va_list args;
	va_start (args, format);
	vsnprintf (self->failure_text, sizeof self->failure_text, format, args);
	va_end (args);
	self->failure = name;
	self->failed_at = self->now;
}

const char *sim_failure (const sim_t *self, const char **ret_text, int64_t *ret_at_ns)
{
	*ret_text = self->failure_text;
	*ret_at_ns = self->failed_at;
	return self->failure;
}

uint64_t sim_hash (uint64_t hash, span_t bytes)
{
	const uint8_t *at = bytes.data;
	size_t left = bytes.size;
	uint64_t word;
	hash ^= left;
	for (; left >= 8; at += 8, left -= 8) {
		memcpy (&word, at, 8);
		hash = (hash ^ word) * UINT64_C (0x9fb21c651e98df25);
		hash ^= hash >> 32;
	}
	word = 0;
	if (left)
		memcpy (&word, at, left);
	hash = (hash ^ word) * UINT64_C (0x9fb21c651e98df25);
	return hash ^ hash >> 28;
}

void sim_digest (sim_t *self, span_t bytes)
{
	self->digest = sim_hash (self->digest ^ (uint64_t) self->now, bytes);
}

uint64_t sim_digest_value (const sim_t *self)
{
	return self->digest;
}
