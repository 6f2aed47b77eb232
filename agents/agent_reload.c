/* What a reload takes over. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agents/agent_internal.h"
#include "base/log.h"

uid_t *agent_audit_uids (const agent_config_t *config)
{
	uid_t *uids = calloc (config->audit_uids.n + 1, sizeof *uids);
	for (size_t i = 0; uids && i < config->audit_uids.n; i++)
		uids[i] = (uid_t) config->audit_uids.items[i];
	return uids;
}

void agent_reload (agent_t *self, const agent_config_t *config, keyring_t *keyring,
        Belfry__V1__Change **changes, size_t n_changes)
{
	moment_t now = moment_now ();
	if (keyring) {
		self->keyring = self->says.keyring = keyring;
		outbox_set_keyring (self->outbox, keyring);
		if (self->listener)
			listener_set_keyring (self->listener, keyring);
	}
	watch_set_intervals (self->watch, config);
	uid_t *uids = agent_audit_uids (config);
	int r = uids ? inlet_set_audit_uids (self->inlet, uids, config->audit_uids.n) : -ENOMEM;
	free (uids);
	if (!r && self->peers_ns != config->probes.nodes.interval_ns) {
		self->peers_ns = config->probes.nodes.interval_ns;
		r = agent_timers_set (self);
	}
	if (r)
		log_error ("agent", "reload: %s", strerror (-r));
	if (n_changes)
		voice_config_changed (self->voice, changes, n_changes, now);
}
