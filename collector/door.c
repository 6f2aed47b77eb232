#include "collector/door.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/gate.h"
#include "net/cut.h"
#include "net/proof.h"

#define PROOF_NS (2 * NS_PER_S)

static const struct {
	const char *domain;
	unsigned roles;
} doors[DOOR_COUNT] = {
	[DOOR_STREAM] = { "belfry.stream", GATE_STREAM },
	[DOOR_OUTLET] = { "belfry.outlet", GATE_OUTLET },
	[DOOR_CONTROL] = { "belfry.control", GATE_CONTROL },
};

struct door {
	uint8_t *secret; /* guarded; for the links to come */
	uint8_t public_key[LINK_KEY_SIZE];
	zap_t *zap;
	cutter_t *cutters[DOOR_COUNT];
	uint64_t proofs; /* denied on purpose */
};

static int list_set (door_t *self, const clients_t *clients, unsigned *ret_gone)
{
	zap_client_t *list = calloc (clients->n + 1, sizeof *list);
	char (*users)[ROLE_USER_MAX + 1] = calloc (clients->n + 1, sizeof *users);
	int r = list && users ? 0 : -ENOMEM;
	for (size_t i = 0; !r && i < clients->n; i++) {
		const clients_entry_t *entry = &clients->items[i];
		list[i] = (zap_client_t){ entry->key, user_format (entry->role, entry->name, users[i]),
			ROLE_BIT (entry->role) };
	}
	if (!r)
		r = zap_replace (self->zap, list, clients->n, ret_gone);
	free (list);
	free (users);
	return r;
}

int door_new (
        net_context_t *context, const curve_key_t *key, const clients_t *clients, door_t **ret, err_t *err)
{
	zap_domain_t domains[DOOR_COUNT];
	unsigned gone;
	for (size_t i = 0; i < DOOR_COUNT; i++)
		domains[i] = (zap_domain_t){ doors[i].domain, doors[i].roles };
	door_t *self = calloc (1, sizeof *self);
	if (!self || !(self->secret = sodium_malloc (LINK_KEY_SIZE))) {
		free (self);
		return error_set (err, -ENOMEM, "no guarded memory for keys (see `ulimit -l`)");
	}
	memcpy (self->secret, key->secret, LINK_KEY_SIZE);
	memcpy (self->public_key, key->public, LINK_KEY_SIZE);
	int r = zap_new (context, domains, DOOR_COUNT, &self->zap);
	if (!r)
		r = list_set (self, clients, &gone);
	if (r) {
		door_destroy (&self);
		return error_set (
		        err, r, "the handler that decides who may connect does not start: %s", strerror (-r));
	}
	*ret = self;
	return 0;
}

void door_destroy (door_t **self_p)
{
	door_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < DOOR_COUNT; i++)
		cutter_destroy (&self->cutters[i]);
	zap_destroy (&self->zap);
	sodium_free (self->secret); /* wipes */
	free (self);
	*self_p = NULL;
}

int door_link (door_t *self, net_context_t *context, door_which_t which, link_kind_t kind, link_t **ret)
{
	if (!self)
		return link_new (context, kind, NULL, ret);
	const link_curve_t curve = { .secret_key = self->secret, .domain = doors[which].domain };
	const link_options_t options = { .curve = &curve };
	return link_new (context, kind, &options, ret);
}

int door_prove (door_t *self, door_which_t which, link_t *link, err_t *err)
{
	int r = cutter_new (self->zap, link, &self->cutters[which]);
	if (r)
		return error_set (err, r, "connections cannot be told apart: %s", strerror (-r));
	if ((r = proof_closed (link, self->public_key, PROOF_NS, err))) {
		error_prefix (err, "this collector does not start, since CURVE does not hold: ");
		return r;
	}
	self->proofs++;
	return 0;
}

bool door_admits (door_t *self, door_which_t which, const frame_t *frame, bool note, user_t *ret)
{
	if (!self)
		return user_parse (NULL, ret);
	*ret = (user_t){ .role = ROLE_NONE };
	uint64_t admission = zap_admission (self->zap, frame);
	if (!admission || !user_parse (frame_user (frame), ret) || ret->role == ROLE_NONE)
		return false;
	if (note && self->cutters[which])
		cutter_note (self->cutters[which], frame, admission);
	return true;
}

int door_set_clients (door_t *self, const clients_t *clients)
{
	unsigned gone = 0;
	int r = list_set (self, clients, &gone);
	for (size_t i = 0; !r && i < DOOR_COUNT; i++) {
		if (!(gone & doors[i].roles) || !self->cutters[i])
			continue;
		int n = cutter_cut (self->cutters[i]);
		if (n < 0)
			log_error ("collector",
			        "who left the list of clients may still be connected: connections cannot be "
			        "listed: %s",
			        strerror (-n));
		else if (n > 0)
			log_info ("collector", "%s: %d connections ended, since clients left the list",
			        doors[i].domain, n);
	}
	return r;
}

void door_totals (door_t *self, zap_totals_t *ret)
{
	zap_totals (self->zap, ret);
	ret->counts[ZAP_DENIED_KEY] -=
	        self->proofs < ret->counts[ZAP_DENIED_KEY] ? self->proofs : ret->counts[ZAP_DENIED_KEY];
}
