#include "agents/way.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/keeper.h"

#define SAY_NS (60 * NS_PER_S)

struct way {
	loop_t *loop;
	link_t *link;
	keeper_t *keeper;
	const char *public_key;
	bool added, said;
	mono_t said_at;
};

static void on_changed (void *arg, keeper_state_t state)
{
	way_t *self = arg;
	err_t why = { "" };
	mono_t now = mono_now ();
	if (state == KEEPER_CONNECTED)
		self->said = false;
	if (!keeper_in_vain (self->keeper, self->public_key, &why) ||
	        (self->said && mono_since (now, self->said_at) < SAY_NS))
		return;
	self->said = true;
	self->said_at = now;
	log_warning ("agent", "%s. Trying on", why.text);
}

int way_new (net_context_t *context, loop_t *loop, link_kind_t kind, const char *endpoint,
        const way_keys_t *keys, loop_link_fn *ready, void *arg, way_t **ret, err_t *err)
{
	const link_options_t options = { .curve = keys->curve };
	way_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->loop = loop;
	self->public_key = keys->public_key;
	int r = link_new (context, kind, &options, &self->link);
	if (!r && !(r = loop_add_link (loop, self->link, ready, arg)))
		self->added = true;
	if (r)
		error_set (err, r, "%s: %s", endpoint, strerror (-r));
	else
		r = keeper_new (loop, self->link, endpoint, on_changed, self, &self->keeper, err);
	if (r) {
		way_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void way_destroy (way_t **self_p)
{
	way_t *self = *self_p;
	if (!self)
		return;
	keeper_destroy (&self->keeper);
	if (self->added)
		loop_remove_link (self->loop, self->link);
	link_destroy (&self->link);
	free (self);
	*self_p = NULL;
}

link_t *way_link (way_t *self)
{
	return self->link;
}
