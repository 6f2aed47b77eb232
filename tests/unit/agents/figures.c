/* Samples as catalogues and packed values: when which is sent, and that they fit together. */

#include <criterion/criterion.h>
#include <string.h>

#include "agents/figures.h"
#include "wire/envelope.h"

enum { SENT_MAX = 64 };

static demand_t *demand;
static outbox_t *outbox;
static samples_t *samples;
static Belfry__V1__Event *sent[SENT_MAX];
static size_t n_sent;
static moment_t now = { { 1000 * NS_PER_S }, { 2000 * NS_PER_S } };

static const series_def_t cpu = { "node_cpu_seconds_total", SAMPLE_COUNTER, "seconds" },
                          load = { "node_load1", SAMPLE_GAUGE, "" };

static void keep (void *arg, span_t topic, span_t envelope)
{
	(void) arg;
	(void) topic;
	envelope_t parsed;
	cr_assert_eq (envelope_parse (envelope.data, envelope.size, &parsed), REFUSAL_NONE);
	cr_assert_lt (n_sent, SENT_MAX);
	sent[n_sent] = belfry__v1__event__unpack (NULL, parsed.event.size, parsed.event.data);
	cr_assert_not_null (sent[n_sent]);
	n_sent++;
}

static void setup (void)
{
	const publisher_options_t options = {
		.cluster = "demo", .node = "n1", .incarnation = 1, .boot_nonce = 7, .started = now.mono
	};
	err_t err = { "" };
	cr_assert_eq (demand_new ("demo", "n1", &demand), 0);
	cr_assert_eq (outbox_new (&options, demand, keep, NULL, &outbox, &err), 0, "%s", err.text);
	cr_assert_eq (samples_new (&samples), 0);
	demand_note (demand, span_of ("\1", 1));
	outbox_open (outbox);
}

static void teardown (void)
{
	for (size_t i = 0; i < n_sent; i++)
		belfry__v1__event__free_unpacked (sent[i], NULL);
	n_sent = 0;
	samples_destroy (&samples);
	outbox_destroy (&outbox);
	demand_destroy (&demand);
}

TestSuite (figures, .init = setup, .fini = teardown);

static void cycle (double value, const char *core)
{
	samples_begin (samples);
	samples_put (samples, &cpu, value, &(label_t){ "cpu", core }, 1);
	samples_put (samples, &load, 0.5, NULL, 0);
	samples_end (samples);
}

static void say (figures_t *figures, int64_t later_ns)
{
	err_t err = { "" };
	now.mono = mono_add (now.mono, later_ns);
	cr_assert_eq (figures_say (figures, samples, outbox, now, &err), 0, "%s", err.text);
}

static unsigned kind (size_t i)
{
	cr_assert_lt (i, n_sent);
	return sent[i]->payload_case;
}

Test (figures, the_catalogue_comes_first_and_gives_the_values_their_meaning)
{
	figures_t figures = { .source = "agent", .start_ns = 99 };
	cycle (1.5, "0");
	say (&figures, NS_PER_S);
	cr_assert_eq (n_sent, 2);
	cr_assert_eq (kind (0), BELFRY__V1__EVENT__PAYLOAD_CATALOGUE);
	cr_assert_eq (kind (1), BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH);
	const Belfry__V1__Catalogue *catalogue = sent[0]->catalogue;
	const Belfry__V1__MetricBatch *batch = sent[1]->metric_batch;
	cr_assert_eq (catalogue->hash, batch->catalogue_hash);
	cr_assert_neq (catalogue->hash, 0);
	cr_assert_eq (catalogue->n_series, batch->n_values);
	cr_assert_str_eq (catalogue->series[0]->name, "node_cpu_seconds_total");
	cr_assert_str_eq (catalogue->series[0]->labels[0]->key, "cpu");
	cr_assert_str_eq (catalogue->series[0]->labels[0]->value, "0");
	cr_assert_eq (catalogue->series[0]->start_time_ns, 99);
	cr_assert_eq (catalogue->series[1]->start_time_ns, 0, "a gauge has no beginning");
	cr_assert_eq (batch->values[0], 1.5);
	cr_assert_eq (batch->values[1], 0.5);
}

Test (figures, the_catalogue_is_said_again_when_it_changed_when_asked_and_every_60_s)
{
	figures_t figures = { .source = "agent" };
	cycle (1, "0");
	say (&figures, 0);
	say (&figures, NS_PER_S);
	cr_assert_eq (n_sent, 3, "known already: values alone");
	cycle (1, "1");
	say (&figures, NS_PER_S);
	cr_assert_eq (n_sent, 5);
	cr_assert_neq (sent[3]->catalogue->hash, sent[0]->catalogue->hash);
	figures.said = 0;
	say (&figures, NS_PER_S);
	cr_assert_eq (n_sent, 7);
	say (&figures, FIGURES_REPEAT_NS - 1);
	cr_assert_eq (n_sent, 8);
	say (&figures, 1);
	cr_assert_eq (n_sent, 10);
}

Test (figures, nothing_is_made_while_nobody_hears)
{
	figures_t figures = { .source = "agent" };
	outbox_shut (outbox);
	cycle (1, "0");
	cr_assert_eq (figures_say (&figures, samples, outbox, now, NULL), OUTBOX_E_UNHEARD);
	cr_assert_eq (n_sent, 0);
	cr_assert_eq (figures.said, 0, "it is still to be said");
	samples_begin (samples);
	samples_end (samples);
	outbox_open (outbox);
	cr_assert_eq (figures_say (&figures, samples, outbox, now, NULL), 0);
	cr_assert_eq (n_sent, 0, "no series, no event");
}

Test (figures, counters_that_began_at_another_time_are_other_series)
{
	figures_t one = { .source = "agent", .start_ns = 1 }, two = { .source = "agent", .start_ns = 2 };
	cycle (1, "0");
	say (&one, 0);
	say (&two, 1);
	cr_assert_neq (sent[0]->catalogue->hash, sent[2]->catalogue->hash);
}
