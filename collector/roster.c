/* For each target its best probers, best first. A target's list is what is kept; a prober's list is
 * gathered from it when asked, since that is rare. */

#include "collector/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	uint64_t score;
	uint32_t index;
} choice_t;

typedef struct {
	uint64_t hash;
	bool target, prober, changed;
	uint32_t n;
	choice_t best[ROSTER_PROBERS];
} member_t;

struct roster {
	member_t *members;
	uint32_t n, room;
	uint64_t generation;
};

int roster_new (roster_t **ret)
{
	roster_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	*ret = self;
	return 0;
}

void roster_destroy (roster_t **self_p)
{
	if (!*self_p)
		return;
	free ((*self_p)->members);
	free (*self_p);
	*self_p = NULL;
}

uint64_t roster_hash (const char *name)
{
	uint64_t h = UINT64_C (14695981039346656037);
	for (; *name; name++)
		h = (h ^ (unsigned char) *name) * UINT64_C (1099511628211);
	return h;
}

/* splitmix64's finish over both: every pair has a score of its own. */
static uint64_t score_of (uint64_t prober, uint64_t target)
{
	uint64_t x = prober ^ (target * UINT64_C (0x9e3779b97f4a7c15) + UINT64_C (0x632be59bd9b4e019));
	x = (x ^ x >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C (0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Puts prober into target's list where it belongs there. Marks every prober whose list changed. */
static void choose (roster_t *self, uint32_t target, uint32_t prober)
{
	member_t *t = &self->members[target];
	member_t *p = &self->members[prober];
	if (target == prober || !t->target || !p->prober)
		return;
	choice_t choice = { score_of (p->hash, t->hash), prober };
	uint32_t at = t->n;
	while (at > 0 && t->best[at - 1].score < choice.score)
		at--;
	if (at == ROSTER_PROBERS)
		return;
	if (t->n == ROSTER_PROBERS)
		self->members[t->best[--t->n].index].changed = true;
	memmove (&t->best[at + 1], &t->best[at], (t->n - at) * sizeof *t->best);
	t->best[at] = choice;
	t->n++;
	p->changed = true;
}

static void choose_again (roster_t *self, uint32_t target)
{
	member_t *t = &self->members[target];
	for (uint32_t i = 0; i < t->n; i++)
		self->members[t->best[i].index].changed = true;
	t->n = 0;
	for (uint32_t i = 0; i < self->n; i++)
		choose (self, target, i);
}

static bool chose (const member_t *target, uint32_t prober)
{
	for (uint32_t i = 0; i < target->n; i++) {
		if (target->best[i].index == prober)
			return true;
	}
	return false;
}

int roster_set (roster_t *self, uint32_t index, uint64_t hash, bool target, bool prober)
{
	while (index >= self->n) {
		if (self->n == self->room) {
			uint32_t room = self->room ? self->room * 2 : 64;
			member_t *grown = realloc (self->members, room * sizeof *grown);
			if (!grown)
				return -ENOMEM;
			self->members = grown;
			self->room = room;
		}
		memset (&self->members[self->n++], 0, sizeof *self->members);
	}
	member_t *m = &self->members[index];
	if (m->target == target && m->prober == prober)
		return 0;
	self->generation++;
	m->hash = hash;
	if (m->target != target) {
		m->target = target;
		choose_again (self, index);
	}
	if (m->prober != prober) {
		m->prober = prober;
		m->changed = true;
		for (uint32_t i = 0; i < self->n; i++) {
			if (prober)
				choose (self, i, index);
			else if (chose (&self->members[i], index))
				choose_again (self, i);
		}
	}
	return 0;
}

uint64_t roster_generation (const roster_t *self)
{
	return self->generation;
}

size_t roster_targets (const roster_t *self, uint32_t prober, uint32_t *out, size_t max)
{
	size_t n = 0;
	for (uint32_t i = 0; i < self->n; i++) {
		if (!chose (&self->members[i], prober))
			continue;
		if (n < max)
			out[n] = i;
		n++;
	}
	return n;
}

size_t roster_probers (const roster_t *self, uint32_t target, uint32_t out[ROSTER_PROBERS])
{
	if (target >= self->n)
		return 0;
	const member_t *t = &self->members[target];
	for (uint32_t i = 0; i < t->n; i++)
		out[i] = t->best[i].index;
	return t->n;
}

bool roster_changed (roster_t *self, uint32_t prober)
{
	if (prober >= self->n || !self->members[prober].changed)
		return false;
	self->members[prober].changed = false;
	return true;
}
