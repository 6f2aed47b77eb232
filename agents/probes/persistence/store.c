#include "agents/probes/persistence/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/probes/child.h"
#include "agents/probes/child_wire.h"
#include "agents/probes/level.h"
#include "agents/probes/persistence/store_wire.h"
#include "base/size.h"

/* A growth counts with the weight of a minute. */
#define GROWTH_TAU_S 60.0
/* What a walk may take of the interval: of a processor, and of the disk. */
enum { CPU_PART = 1000, ELAPSED_PART = 20, ENTRIES_MAX = 20000 };
#define CPU_MIN_NS (1 * NS_PER_MS)
#define CPU_MAX_NS (20 * NS_PER_MS)
#define ELAPSED_MIN_NS (10 * NS_PER_MS)
#define ELAPSED_MAX_NS (250 * NS_PER_MS)

static const level_def_t fullness = { 0.90, 0.88, INFINITY, INFINITY, 0, 0 };

struct store {
	char name[PROBE_NAME_MAX];
	store_ask_t ask;
	child_t *child;
	samples_t *samples;
	bool changed;
	char *packet;
	/* The request under way, over the deaths of children that hung on it. */
	bool unanswered;
	mono_t unanswered_since;
	uint64_t kills; /* when it was asked */
	store_step_t step;
	/* The newest answer. */
	bool answered;
	store_tree_answer_t tree;
	bool cycled;
	store_cycle_t cycle;
	double fsync_seconds; /* of the newest that succeeded; NAN */
	uint64_t fsyncs, fsync_errors;
	/* Growth, between whole walks. */
	bool measured;
	uint64_t walks, measured_bytes;
	mono_t measured_at;
	double growth; /* NAN before there are two */
	level_t level;
	probe_check_t check;
};

static int64_t within (int64_t ns, int64_t least, int64_t most)
{
	return ns < least ? least : ns > most ? most : ns;
}

int store_new (const store_options_t *options, store_t **ret, err_t *err)
{
	const char *probe_path = options->probe_path ? options->probe_path : "";
	if (!options->name[0] || strlen (options->name) >= PROBE_NAME_MAX)
		return error_set (err, -EINVAL, "a store's name has 1 to %d bytes, not \"%s\"",
		        PROBE_NAME_MAX - 1, options->name);
	if (!options->path[0] || strlen (options->path) >= STORE_PATH_MAX ||
	        strlen (probe_path) >= STORE_PATH_MAX)
		return error_set (err, -EINVAL, "store %s: a path has 1 to %d bytes", options->name,
		        STORE_PATH_MAX - 1);
	store_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "store %s: no memory", options->name);
	memcpy (self->name, options->name, strlen (options->name));
	memcpy (self->ask.path, options->path, strlen (options->path));
	memcpy (self->ask.probe_path, probe_path, strlen (probe_path));
	self->ask.budget = (walk_budget_t){ .entries = ENTRIES_MAX,
		.cpu_ns = within (options->interval_ns / CPU_PART, CPU_MIN_NS, CPU_MAX_NS),
		.elapsed_ns = within (options->interval_ns / ELAPSED_PART, ELAPSED_MIN_NS, ELAPSED_MAX_NS) };
	self->cycle.oldest_age_ns = -1;
	self->fsync_seconds = self->growth = NAN;
	self->check.status = PROBE_STATUS_UNKNOWN;
	memcpy (self->check.component, self->name, sizeof self->name);
	self->packet = malloc (CHILD_PACKET_MAX);
	if (!self->packet || samples_new (&self->samples) != 0 ||
	        child_new (options->program, options->name, &self->child) != 0) {
		store_destroy (&self);
		return error_set (err, -ENOMEM, "store %s: no memory", options->name);
	}
	*ret = self;
	return 0;
}

void store_destroy (store_t **self_p)
{
	store_t *self = *self_p;
	if (!self)
		return;
	child_destroy (&self->child);
	samples_destroy (&self->samples);
	free (self->packet);
	free (self);
	*self_p = NULL;
}

/* --- answers -------------------------------------------------------------------------------------- */

static const char *step_word (store_step_t step)
{
	static const char *const words[] = { [STORE_STEP_NONE] = "the probe of",
		[STORE_STEP_PROBE_OPEN] = "opening",
		[STORE_STEP_WRITE] = "writing to",
		[STORE_STEP_FSYNC] = "fsync of",
		[STORE_STEP_OPEN] = "opening",
		[STORE_STEP_STATVFS] = "statvfs of",
		[STORE_STEP_WALK] = "reading" };
	return (size_t) step < sizeof words / sizeof words[0] ? words[step] : "";
}

static const char *step_path (const store_t *self, store_step_t step)
{
	bool probing = step >= STORE_STEP_PROBE_OPEN && step <= STORE_STEP_FSYNC;
	return probing ? self->ask.probe_path : self->ask.path;
}

/* "fsync of PATH: No space left on device". A long path loses its beginning, not the reason. */
static void failure_write (const store_t *self, char *text, size_t size, store_step_t step, int error)
{
	enum { PATH_SHOWN = 120 };
	const char *path = step_path (self, step);
	size_t length = strlen (path);
	bool cut = length > PATH_SHOWN;
	snprintf (text, size, "%s %s%s: %s", step_word (step), cut ? "..." : "",
	        cut ? path + length - PATH_SHOWN : path, error ? strerror (error) : "no regular file");
}

static void cycle_take (store_t *self, const store_cycle_answer_t *answer)
{
	self->cycled = true;
	self->cycle.fresh = true;
	self->cycle.success = answer->failed == STORE_STEP_NONE;
	self->cycle.duration_ns = answer->duration_ns;
	self->cycle.bytes = answer->bytes;
	self->cycle.error[0] = '\0';
	if (self->cycle.success) {
		self->fsyncs++;
		self->fsync_seconds = (double) answer->duration_ns / NS_PER_S;
	} else {
		self->fsync_errors++;
		failure_write (
		        self, self->cycle.error, sizeof self->cycle.error, answer->failed, answer->error);
	}
}

static void growth_measure (store_t *self, mono_t now)
{
	uint64_t bytes = self->tree.whole.bytes;
	double interval = (double) mono_since (now, self->measured_at) / NS_PER_S;
	if (self->measured && interval > 0) {
		double rate = ((double) bytes - (double) self->measured_bytes) / interval;
		if (isnan (self->growth))
			self->growth = rate;
		else
			self->growth += (rate - self->growth) * interval / (GROWTH_TAU_S + interval);
	}
	self->measured = true;
	self->measured_bytes = bytes;
	self->measured_at = now;
}

static void tree_take (store_t *self, const store_tree_answer_t *answer, mono_t now)
{
	self->unanswered = false;
	self->answered = true;
	walk_result_t whole = self->tree.whole;
	uint64_t walks = self->tree.walks;
	self->tree = *answer;
	/* A child that just began knows less than the one before. */
	if (!answer->failed && !answer->walks) {
		self->tree.whole = whole;
		self->tree.walks = walks;
	}
	if (answer->failed != STORE_STEP_NONE) {
		self->measured = false;
		self->growth = NAN;
	} else if (answer->walks && answer->walks != self->walks) {
		growth_measure (self, now);
	}
	self->walks = answer->walks;
}

static void answers_take (store_t *self, mono_t now)
{
	union {
		store_step_t step;
		store_cycle_answer_t cycle;
		store_tree_answer_t tree;
	} answer;
	uint16_t kind;
	size_t size;
	bool last;
	while (child_take (self->child, now, &kind, self->packet, &size, &last)) {
		if (size > sizeof answer)
			continue;
		memcpy (&answer, self->packet, size);
		if (kind == STORE_SAYS_STEP && size == sizeof answer.step)
			self->step = answer.step;
		else if (kind == STORE_SAYS_CYCLE && size == sizeof answer.cycle)
			cycle_take (self, &answer.cycle);
		else if (kind == STORE_SAYS_TREE && size == sizeof answer.tree)
			tree_take (self, &answer.tree, now);
	}
}

static void ask (store_t *self, mono_t now)
{
	if (child_ask (self->child, now, CHILD_ASK_STORE, &self->ask, sizeof self->ask) != 0)
		return;
	self->step = STORE_STEP_NONE;
	if (!self->unanswered) {
		self->unanswered = true;
		self->unanswered_since = now;
		self->kills = child_counters (self->child)->kills;
	}
	mono_t until = mono_add (mono_now (), STORE_PATIENCE_NS);
	for (int64_t left = STORE_PATIENCE_NS; left > 0 && child_asked (self->child);
	        left = mono_since (until, mono_now ())) {
		child_wait (self->child, left);
		answers_take (self, now);
	}
}

/* --- figures -------------------------------------------------------------------------------------- */

/* How long the request, or one of its children after another, has been without its answer. */
static int64_t stuck_ns (const store_t *self, mono_t now)
{
	return self->unanswered ? mono_since (now, self->unanswered_since) : 0;
}

static double used_ratio (const store_tree_answer_t *tree)
{
	uint64_t used = tree->size_bytes > tree->free_bytes ? tree->size_bytes - tree->free_bytes : 0;
	double there = (double) used + (double) tree->avail_bytes;
	return there > 0 ? (double) used / there : NAN;
}

/* Of the newest write; -1 unknown. A time to come is now. */
static int64_t newest_age_ns (const walk_result_t *walk)
{
	if (walk->newest_ns == INT64_MIN)
		return -1;
	int64_t age;
	bool over = __builtin_sub_overflow (wall_now ().ns, walk->newest_ns, &age);
	return over || age < 0 ? 0 : age;
}

static void put (store_t *self, const series_def_t *def, double value)
{
	label_t label = { "store", self->name };
	samples_put (self->samples, def, value, &label, 1);
}

/* What comes and goes is last, so the catalogue changes least. */
static void tree_put (store_t *self)
{
	static const series_def_t avail = { "belfry_store_avail_bytes", SAMPLE_GAUGE, "bytes" },
	                          used = { "belfry_store_used_ratio", SAMPLE_GAUGE, "ratio" },
	                          size = { "belfry_store_size_bytes", SAMPLE_GAUGE, "bytes" },
	                          files = { "belfry_store_files", SAMPLE_GAUGE, "" },
	                          partial = { "belfry_store_walk_partial", SAMPLE_GAUGE, "" },
	                          age = { "belfry_store_newest_write_age_seconds", SAMPLE_GAUGE, "seconds" },
	                          growth = { "belfry_store_growth_bytes_per_second", SAMPLE_GAUGE, "bytes" },
	                          full = { "belfry_store_time_to_full_seconds", SAMPLE_GAUGE, "seconds" };
	const store_tree_answer_t *tree = &self->tree;
	self->cycle.oldest_age_ns = -1;
	if (!self->answered || tree->failed != STORE_STEP_NONE)
		return;
	const walk_result_t *walk = tree->walks ? &tree->whole : &tree->under_way;
	put (self, &avail, (double) tree->avail_bytes);
	if (!isnan (used_ratio (tree)))
		put (self, &used, used_ratio (tree));
	put (self, &size, (double) walk->bytes);
	put (self, &files, (double) walk->files);
	put (self, &partial, !tree->walks || walk->unread);
	/* The walk under way may have seen a newer one already. */
	int64_t ns = newest_age_ns (walk), other = newest_age_ns (&tree->under_way);
	if (tree->walks && other >= 0 && (ns < 0 || other < ns))
		ns = other;
	self->cycle.oldest_age_ns = ns;
	if (ns >= 0)
		put (self, &age, (double) ns / NS_PER_S);
	if (isnan (self->growth))
		return;
	put (self, &growth, self->growth);
	if (self->growth >= 1)
		put (self, &full, (double) tree->avail_bytes / self->growth);
}

static void samples_make (store_t *self, mono_t now)
{
	static const series_def_t stuck = { "belfry_store_probe_stuck_seconds", SAMPLE_GAUGE, "seconds" },
	                          fsyncs = { "belfry_store_fsyncs_total", SAMPLE_COUNTER, "" },
	                          errors = { "belfry_store_fsync_errors_total", SAMPLE_COUNTER, "" },
	                          fsync = { "belfry_store_fsync_seconds", SAMPLE_GAUGE, "seconds" };
	samples_begin (self->samples);
	put (self, &stuck, (double) stuck_ns (self, now) / NS_PER_S);
	if (self->ask.probe_path[0]) {
		put (self, &fsyncs, (double) self->fsyncs);
		put (self, &errors, (double) self->fsync_errors);
		if (!isnan (self->fsync_seconds))
			put (self, &fsync, self->fsync_seconds);
	}
	tree_put (self);
	self->changed = samples_end (self->samples);
}

/* --- status --------------------------------------------------------------------------------------- */

static void healthy_write (const store_t *self, char *text, size_t size)
{
	const walk_result_t *walk = self->tree.walks ? &self->tree.whole : &self->tree.under_way;
	char bytes[SIZE_TEXT_MAX];
	size_format ((double) walk->bytes, bytes);
	if (!self->tree.walks)
		snprintf (text, size, "%s in %llu files so far, not all read yet", bytes,
		        (unsigned long long) walk->files);
	else if (walk->unread)
		snprintf (text, size,
		        "%s in %llu files, without %llu directories that cannot be read (%.80s: %s)", bytes,
		        (unsigned long long) walk->files, (unsigned long long) walk->unread,
		        walk->unread_name, strerror (walk->unread_error));
	else
		snprintf (text, size, "%s in %llu files", bytes, (unsigned long long) walk->files);
}

static void check_make (store_t *self, mono_t now)
{
	probe_check_t *check = &self->check;
	char *text = check->message, duration[DURATION_TEXT_MAX];
	const char *error = child_error (self->child);
	int64_t stuck = stuck_ns (self, now);
	if (stuck >= STORE_STUCK_NS) {
		check->status = PROBE_STATUS_UNHEALTHY;
		check->duration_ns = stuck;
		snprintf (text, PROBE_TEXT_MAX, "%s %.180s stuck for %s", step_word (self->step),
		        step_path (self, self->step), duration_format (stuck, duration));
		return;
	}
	/* Between question and answer stands what the last answer said. */
	if (!stuck && *error) {
		check->status = PROBE_STATUS_UNKNOWN;
		snprintf (text, PROBE_TEXT_MAX, "%s", error);
		return;
	}
	if (!self->answered)
		return;
	check->duration_ns = self->cycle.duration_ns;
	if (self->tree.failed != STORE_STEP_NONE) {
		check->status = PROBE_STATUS_UNHEALTHY;
		failure_write (self, text, PROBE_TEXT_MAX, self->tree.failed, self->tree.error);
		return;
	}
	if (self->cycled && !self->cycle.success) {
		check->status = PROBE_STATUS_UNHEALTHY;
		snprintf (text, PROBE_TEXT_MAX, "%s", self->cycle.error);
		return;
	}
	double used = used_ratio (&self->tree);
	check->status = isnan (used) ? PROBE_STATUS_HEALTHY : level_step (&self->level, &fullness, used, now);
	if (check->status == PROBE_STATUS_DEGRADED)
		snprintf (text, PROBE_TEXT_MAX, "the file system of %.160s is %.1f %% full", self->ask.path,
		        100 * used);
	else
		healthy_write (self, text, PROBE_TEXT_MAX);
}

/* --- a cycle -------------------------------------------------------------------------------------- */

void store_run (void *arg, mono_t now)
{
	store_t *self = arg;
	self->cycle.fresh = false;
	answers_take (self, now);
	child_step (self->child, now);
	/* A child that ended of itself does not hang. */
	if (self->unanswered && !child_asked (self->child) && child_silent_ns (self->child, now) == 0 &&
	        child_counters (self->child)->kills == self->kills)
		self->unanswered = false;
	if (child_ready (self->child))
		ask (self, now);
	samples_make (self, now);
	check_make (self, now);
}

const samples_t *store_samples (const store_t *self)
{
	return self->samples;
}
bool store_samples_changed (const store_t *self)
{
	return self->changed;
}
const probe_check_t *store_check (const store_t *self)
{
	return &self->check;
}
const store_cycle_t *store_cycle (const store_t *self)
{
	return &self->cycle;
}
void store_wait (store_t *self, int64_t timeout_ns)
{
	if (child_asked (self->child))
		child_wait (self->child, timeout_ns);
}
pid_t store_child_pid (const store_t *self)
{
	return child_pid (self->child);
}
