#include "agents/probes/health/cpu.h"

#include <math.h>
#include <unistd.h>

/* The columns of a cpu line (proc_stat(5)). */
enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, GUEST, GUEST_NICE, COLUMNS };

static const char *const modes[COLUMNS] = { "user", "nice", "system", "idle", "iowait", "irq", "softirq",
	"steal", "user", "nice" };
static const series_def_t seconds = COUNTER ("node_cpu_seconds_total", "seconds")
, guest = COUNTER ("node_cpu_guest_seconds_total", "seconds")
, used = GAUGE ("belfry_host_cpu_used_ratio", "ratio");
/* Fewer ticks than these say nothing about a ratio. */
enum { TICKS_MIN = 8 };

void cpu_open (cpu_t *self, const collect_t *c)
{
	*self = (cpu_t){ .stat = source_of (c->proc, "stat", SOURCE_WHOLE),
		.loadavg = source_of (c->proc, "loadavg", SOURCE_NUMBER),
		.softnet = source_of (c->proc, "net/softnet_stat", SOURCE_PIECES),
		.ticks_per_second = (double) sysconf (_SC_CLK_TCK),
		.used_ratio = NAN,
		.load = { NAN, NAN, NAN } };
}

void cpu_close (cpu_t *self)
{
	source_close (&self->stat);
	source_close (&self->loadavg);
	source_close (&self->softnet);
}

static size_t ticks_of (char *p, uint64_t ticks[COLUMNS])
{
	size_t n = 0;
	while (n < COLUMNS && scan_u64 (&p, &ticks[n]))
		n++;
	return n;
}

/* user and nice hold guest and guest_nice already. */
static void used_count (cpu_t *self, const uint64_t ticks[COLUMNS], size_t n)
{
	uint64_t total = 0;
	for (size_t i = 0; i < n && i < GUEST; i++)
		total += ticks[i];
	uint64_t idle = (n > IDLE ? ticks[IDLE] : 0) + (n > IOWAIT ? ticks[IOWAIT] : 0);
	uint64_t busy = total - idle;
	if (self->counted && total >= self->total && total - self->total < TICKS_MIN)
		return;
	/* iowait can go back. */
	if (self->counted && total > self->total) {
		double grown = busy > self->busy ? (double) (busy - self->busy) : 0;
		self->used_ratio = fmin (1, grown / (double) (total - self->total));
	}
	self->counted = true;
	self->busy = busy;
	self->total = total;
}

static void processor_put (cpu_t *self, collect_t *c, char *number, char *p)
{
	uint64_t ticks[COLUMNS];
	size_t n = ticks_of (p, ticks);
	label_t labels[] = { { "cpu", number }, { "mode", NULL } };
	for (size_t i = 0; i < n; i++) {
		labels[1].value = modes[i];
		samples_put (c->samples, i < GUEST ? &seconds : &guest,
		        (double) ticks[i] / self->ticks_per_second, labels, 2);
	}
}

static void stat_collect (cpu_t *self, collect_t *c)
{
	static const struct {
		const char *key;
		series_def_t def;
	} figures[] = {
		{ "intr ", COUNTER ("node_intr_total", "") },
		{ "ctxt ", COUNTER ("node_context_switches_total", "") },
		{ "btime ", GAUGE ("node_boot_time_seconds", "seconds") },
		{ "processes ", COUNTER ("node_forks_total", "") },
		{ "procs_running ", GAUGE ("node_procs_running", "") },
		{ "procs_blocked ", GAUGE ("node_procs_blocked", "") },
	};
	if (!source_read (&self->stat, &c->text))
		return;
	uint64_t value;
	for (char *text = c->text.data, *line; (line = scan_line (&text));) {
		if (scan_is (&line, "cpu")) {
			if (*line == ' ') {
				uint64_t ticks[COLUMNS];
				used_count (self, ticks, ticks_of (line, ticks));
				continue;
			}
			char *number = scan_word (&line);
			if (number)
				processor_put (self, c, number, line);
			continue;
		}
		for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
			if (scan_is (&line, figures[i].key)) {
				if (scan_u64 (&line, &value))
					collect_put (c, &figures[i].def, (double) value);
				break;
			}
		}
	}
	if (!isnan (self->used_ratio))
		collect_put (c, &used, self->used_ratio);
}

static void loadavg_collect (cpu_t *self, collect_t *c)
{
	static const series_def_t loads[] = { GAUGE ("node_load1", ""), GAUGE ("node_load5", ""),
		GAUGE ("node_load15", "") };
	char *p = source_read (&self->loadavg, &c->text) ? c->text.data : NULL;
	for (size_t i = 0; i < 3; i++) {
		self->load[i] = NAN;
		if (p && scan_fraction (&p, &self->load[i]))
			collect_put (c, &loads[i], self->load[i]);
	}
}

/* A line a processor; the 13th column is its number, where the kernel has it. */
static void softnet_collect (cpu_t *self, collect_t *c)
{
	static const series_def_t figures[] = {
		COUNTER ("node_softnet_processed_total", ""),
		COUNTER ("node_softnet_dropped_total", ""),
		COUNTER ("node_softnet_times_squeezed_total", "")
	};
	enum { FIGURES = 3, NUMBER = 12, WIDTH = 13 };
	if (!source_read (&self->softnet, &c->text))
		return;
	uint64_t columns[WIDTH], number = 0;
	for (char *text = c->text.data, *line; (line = scan_line (&text)); number++) {
		size_t n = 0;
		while (n < WIDTH && scan_hex (&line, &columns[n]))
			n++;
		if (n > NUMBER)
			number = columns[NUMBER];
		char digits[24], *first = digits + sizeof digits - 1;
		*first = '\0';
		uint64_t rest = number;
		do {
			*--first = (char) ('0' + rest % 10);
			rest /= 10;
		} while (rest);
		label_t label = { "cpu", first };
		for (size_t i = 0; i < n && i < FIGURES; i++)
			samples_put (c->samples, &figures[i], (double) columns[i], &label, 1);
	}
}

void cpu_collect (cpu_t *self, collect_t *c)
{
	stat_collect (self, c);
	loadavg_collect (self, c);
	softnet_collect (self, c);
}
