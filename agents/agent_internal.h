/* agent_internal.h - what the agent's files share. */

#ifndef AGENTS_AGENT_INTERNAL_H
#define AGENTS_AGENT_INTERNAL_H

#include <sys/types.h>

#include "agents/agent.h"
#include "agents/alone.h"
#include "agents/delivery.h"
#include "agents/figures_self.h"
#include "agents/inlet.h"
#include "agents/listener.h"
#include "agents/reach.h"
#include "agents/talk.h"
#include "agents/voice.h"
#include "agents/tenure.h"
#include "agents/watch.h"
#include "agents/way.h"

struct agent {
	const agent_config_t *config;
	keyring_t *keyring;
	agent_hangup_fn *hangup;
	void *arg;
	loop_t *loop;
	net_context_t *context;
	way_t **streams; /* one a collector */
	size_t n_streams;
	uint8_t server_key[Z85_KEY_SIZE];
	link_curve_t curve;
	way_keys_t keys;
	demand_t *demand;
	outbox_t *outbox;
	delivery_t *delivery;
	voice_t *voice;
	listener_t *listener;
	peers_t *peers;
	inlet_t *inlet;
	self_figures_t *self_figures;

	talk_t **talks;
	size_t n_talks;
	const talk_t *roster_of; /* whose roster is in force */
	talk_identity_t says;
	char peer_address[160];

	tenure_t *tenure;
	watch_t *watch;

	beat_t beat;
	int main_loop, probes_loop;
	int timers[2];
	int64_t peers_ns;
	mono_t self_due, idle_due;
	alone_t alone;
	bool debug_wanted;
	bool confirmed; /* welcomed since the newest subscription */
	bool started;   /* was said */
};

/* As the inlet takes them; the caller frees. NULL without memory. */
uid_t *agent_audit_uids (const agent_config_t *config);
/* The beats' timer, and the peers' where theirs is another interval. */
int agent_timers_set (agent_t *self);

#endif
