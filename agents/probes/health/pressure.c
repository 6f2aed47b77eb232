#include "agents/probes/health/pressure.h"

#include <math.h>

static const char *const paths[PRESSURES] = { "pressure/cpu", "pressure/io", "pressure/memory",
	"pressure/irq" };
static const series_def_t waiting[] = { COUNTER ("node_pressure_cpu_waiting_seconds_total", "seconds"),
	COUNTER ("node_pressure_io_waiting_seconds_total", "seconds"),
	COUNTER ("node_pressure_memory_waiting_seconds_total", "seconds") };
/* The kernel has no task that all processors stall for: cpu's "full" is always 0. */
static const series_def_t stalled[] = { { NULL, SAMPLE_COUNTER, "" },
	COUNTER ("node_pressure_io_stalled_seconds_total", "seconds"),
	COUNTER ("node_pressure_memory_stalled_seconds_total", "seconds"),
	COUNTER ("node_pressure_irq_stalled_seconds_total", "seconds") };

void pressure_open (pressure_t *self, const collect_t *c)
{
	for (size_t i = 0; i < PRESSURES; i++)
		self->of[i] = (pressure_resource_t){ .source = source_of (c->proc, paths[i], SOURCE_WHOLE),
			.some_ratio = NAN,
			.full_avg60 = NAN,
			.full_avg300 = NAN };
}

void pressure_close (pressure_t *self)
{
	for (size_t i = 0; i < PRESSURES; i++)
		source_close (&self->of[i].source);
}

/* "avg10=0.57 avg60=0.49 avg300=0.41 total=8312371"; averages in percent. */
static bool line_take (char *p, double *ret_avg60, double *ret_avg300, uint64_t *ret_total)
{
	bool found = false;
	for (char *word; (word = scan_word (&p));) {
		double percent;
		if (scan_is (&word, "avg60=") && scan_fraction (&word, &percent))
			*ret_avg60 = percent / 100;
		else if (scan_is (&word, "avg300=") && scan_fraction (&word, &percent))
			*ret_avg300 = percent / 100;
		else if (scan_is (&word, "total="))
			found = scan_u64 (&word, ret_total);
	}
	return found;
}

static void some_count (pressure_resource_t *r, uint64_t some_us, mono_t now)
{
	double interval = (double) mono_since (now, r->since) / NS_PER_US;
	if (r->counted && interval > 0)
		r->some_ratio =
		        fmin (1, some_us > r->some_us ? (double) (some_us - r->some_us) / interval : 0);
	r->some_us = some_us;
	r->since = now;
	r->counted = true;
}

void pressure_collect (pressure_t *self, collect_t *c)
{
	for (size_t i = 0; i < PRESSURES; i++) {
		pressure_resource_t *r = &self->of[i];
		r->full_avg60 = r->full_avg300 = NAN;
		if (!source_read (&r->source, &c->text)) {
			r->some_ratio = NAN;
			r->counted = false;
			continue;
		}
		for (char *text = c->text.data, *line; (line = scan_line (&text));) {
			double avg60 = NAN, avg300 = NAN;
			uint64_t total;
			bool some = scan_is (&line, "some ");
			if ((!some && !scan_is (&line, "full ")) ||
			        !line_take (line, &avg60, &avg300, &total))
				continue;
			if (some) {
				some_count (r, total, c->now);
				if (i < PRESSURE_IRQ)
					collect_put (c, &waiting[i], (double) total / 1e6);
			} else {
				r->full_us = total;
				r->full_avg60 = avg60;
				r->full_avg300 = avg300;
				if (i != PRESSURE_CPU)
					collect_put (c, &stalled[i], (double) total / 1e6);
			}
		}
	}
}
