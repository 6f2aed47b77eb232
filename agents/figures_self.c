#include "agents/figures_self.h"

#include <errno.h>
#include <stdlib.h>

struct self_figures {
	samples_t *samples;
};

static const series_def_t events = { "belfry_agent_events_total", SAMPLE_COUNTER, "" },
                          held = { "belfry_agent_held_events", SAMPLE_GAUGE, "" },
                          held_bytes = { "belfry_agent_held_bytes", SAMPLE_GAUGE, "bytes" },
                          spool_events = { "belfry_agent_spool_events", SAMPLE_GAUGE, "" },
                          spool_bytes = { "belfry_agent_spool_bytes", SAMPLE_GAUGE, "bytes" },
                          spool_dropped = { "belfry_agent_spool_dropped_total", SAMPLE_COUNTER, "" },
                          spool_corrupt = { "belfry_agent_spool_corrupt_total", SAMPLE_COUNTER, "" },
                          resent = { "belfry_agent_resent_total", SAMPLE_COUNTER, "" },
                          acknowledgements = { "belfry_agent_acknowledgements_total", SAMPLE_COUNTER, "" },
                          app_events = { "belfry_agent_application_events_total", SAMPLE_COUNTER, "" },
                          app_lost = { "belfry_agent_application_lost_total", SAMPLE_COUNTER, "" },
                          app_connections = { "belfry_agent_application_connections", SAMPLE_GAUGE, "" },
                          control = { "belfry_agent_control_messages_total", SAMPLE_COUNTER, "" },
                          probed = { "belfry_agent_peer_probes_total", SAMPLE_COUNTER, "" },
                          asked = { "belfry_agent_peer_answers_total", SAMPLE_COUNTER, "" },
                          runs = { "belfry_agent_probe_runs_total", SAMPLE_COUNTER, "" },
                          missed = { "belfry_agent_probe_missed_total", SAMPLE_COUNTER, "" },
                          took = { "belfry_agent_probe_duration_seconds", SAMPLE_GAUGE, "seconds" };

int self_figures_new (self_figures_t **ret)
{
	self_figures_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	int r = samples_new (&self->samples);
	if (r) {
		free (self);
		return r;
	}
	*ret = self;
	return 0;
}

void self_figures_destroy (self_figures_t **self_p)
{
	self_figures_t *self = *self_p;
	if (!self)
		return;
	samples_destroy (&self->samples);
	free (self);
	*self_p = NULL;
}

static void plain (samples_t *samples, const series_def_t *def, uint64_t value)
{
	samples_put (samples, def, (double) value, NULL, 0);
}

static void labelled (
        samples_t *samples, const series_def_t *def, const char *name, const char *label, double value)
{
	samples_put (samples, def, value, &(label_t){ name, label }, 1);
}

static void outcome (samples_t *samples, const series_def_t *def, const char *label, uint64_t value)
{
	labelled (samples, def, "outcome", label, (double) value);
}

static void read_outbox (samples_t *samples, const outbox_t *outbox)
{
	const outbox_counters_t *counters = outbox_counters (outbox);
	const hold_t *hold = outbox_hold (outbox);
	outcome (samples, &events, "sent", counters->sent);
	outcome (samples, &events, "unheard", counters->unheard);
	outcome (samples, &events, "dropped", counters->dropped);
	outcome (samples, &events, "refused", counters->refused);
	plain (samples, &held, hold_count (hold));
	plain (samples, &held_bytes, hold_bytes (hold));
}

static void read_delivery (samples_t *samples, const delivery_t *delivery)
{
	static const char *const priorities[SPOOL_PRIORITIES] = { "log", "ordinary", "audit" };
	const spool_figures_t *figures = delivery_figures (delivery);
	delivery_counters_t counters;
	delivery_counters (delivery, &counters);
	plain (samples, &spool_events, figures->events);
	plain (samples, &spool_bytes, figures->bytes);
	for (int i = 0; i < SPOOL_PRIORITIES; i++)
		labelled (samples, &spool_dropped, "priority", priorities[i], (double) figures->dropped[i]);
	plain (samples, &spool_corrupt, figures->corrupt);
	plain (samples, &resent, counters.resent);
	plain (samples, &acknowledgements, counters.acknowledgements);
}

static void read_inlet (samples_t *samples, const inlet_t *inlet)
{
	const inlet_counters_t *counters = inlet_counters (inlet);
	outcome (samples, &app_events, "accepted", counters->accepted);
	outcome (samples, &app_events, "malformed", counters->malformed);
	outcome (samples, &app_events, "invalid", counters->invalid);
	outcome (samples, &app_events, "forbidden", counters->forbidden);
	outcome (samples, &app_events, "rate", counters->rate);
	outcome (samples, &app_events, "untaken", counters->untaken);
	plain (samples, &app_lost, counters->lost);
	plain (samples, &app_connections, counters->open);
}

static void read_talks (samples_t *samples, talk_t *const *talks, size_t n)
{
	talk_counters_t sum = { 0 };
	for (size_t i = 0; i < n; i++) {
		const talk_counters_t *counters = talk_counters (talks[i]);
		sum.sent += counters->sent;
		sum.unsent += counters->unsent;
		sum.received += counters->received;
		sum.refused += counters->refused;
		sum.stale += counters->stale;
	}
	outcome (samples, &control, "sent", sum.sent);
	outcome (samples, &control, "unsent", sum.unsent);
	outcome (samples, &control, "received", sum.received);
	outcome (samples, &control, "refused", sum.refused);
	outcome (samples, &control, "stale", sum.stale);
}

static void read_peers (samples_t *samples, const peers_t *peers, const listener_t *listener)
{
	const peers_counters_t *out = peers_counters (peers);
	outcome (samples, &probed, "sent", out->probes);
	outcome (samples, &probed, "answered", out->answers);
	outcome (samples, &probed, "refused", out->refused);
	outcome (samples, &probed, "reset", out->resets);
	outcome (samples, &probed, "timeout", out->timeouts);
	outcome (samples, &probed, "mac", out->mac);
	outcome (samples, &probed, "unaddressed", out->unaddressed);
	if (!listener)
		return;
	const listener_counters_t *in = listener_counters (listener);
	outcome (samples, &asked, "answered", in->answered);
	outcome (samples, &asked, "malformed", in->malformed);
	outcome (samples, &asked, "key", in->key);
	outcome (samples, &asked, "mac", in->mac);
	outcome (samples, &asked, "full", in->full);
}

static void read_probing (samples_t *samples, probing_t *probing)
{
	for (size_t i = 0; i < probing_count (probing); i++) {
		schedule_probe_t probe;
		probing_probe (probing, (int) i, &probe);
		labelled (samples, &runs, "probe", probe.name, (double) probe.runs);
		labelled (samples, &missed, "probe", probe.name, (double) (probe.missed + probe.overruns));
		labelled (samples, &took, "probe", probe.name, (double) probe.took_ns / (double) NS_PER_S);
	}
}

const samples_t *self_figures_read (self_figures_t *self, const self_figures_from_t *from)
{
	samples_t *samples = self->samples;
	samples_begin (samples);
	read_outbox (samples, from->outbox);
	read_delivery (samples, from->delivery);
	read_inlet (samples, from->inlet);
	read_talks (samples, from->talks, from->n_talks);
	read_peers (samples, from->peers, from->listener);
	read_probing (samples, from->probing);
	samples_end (samples);
	return samples;
}
