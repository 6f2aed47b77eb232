/* The table holds the mounts in the order of /proc/self/mounts. A cycle walks file and table side by
 * side; only where they differ a mount is looked up, moved or made. Each has an id of its own, so an
 * answer finds its mount even when the table has changed since. */

#include "agents/probes/health/mounts.h"

#include <errno.h>
#include <linux/magic.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "agents/probes/child_wire.h"

typedef struct {
	uint32_t id;
	char *device, *point, *type; /* one allocation, at device */
	bool real;
	bool answered;
	mono_t answered_at;
	mount_answer_t answer;
	bool hangs; /* from when it was seen to hang until it answers */
	mono_t hangs_since, retry_at;
	int64_t retry_ns;
} mount_t;

/* As the file says it, pointing into its text. */
typedef struct {
	const char *device, *point, *type;
	uint32_t hash; /* of point */
} line_t;

struct mounts {
	source_t source;
	child_t *child;
	line_t lines[MOUNTS_MAX];
	mount_t *items[MOUNTS_MAX];
	size_t n, left_out;
	uint32_t next_id;
	uint32_t asked[MOUNTS_MAX]; /* ids of the request under way, in its order */
	size_t n_asked, n_answered;
	size_t turn; /* where the next request begins, when not all fit into one */
	bool ever;   /* a whole request was answered once */
	char *packet;
};

int mounts_new (const collect_t *c, const char *program, mounts_t **ret)
{
	mounts_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->source = source_of (c->proc, "self/mounts", SOURCE_PIECES);
	self->next_id = 1;
	self->packet = malloc (CHILD_PACKET_MAX);
	if (!self->packet || child_new (program, "mounts", &self->child) != 0) {
		mounts_destroy (&self);
		return -ENOMEM;
	}
	*ret = self;
	return 0;
}

static void mount_free (mount_t *m)
{
	if (m)
		free (m->device);
	free (m);
}

void mounts_destroy (mounts_t **self_p)
{
	mounts_t *self = *self_p;
	if (!self)
		return;
	child_destroy (&self->child);
	source_close (&self->source);
	for (size_t i = 0; i < self->n; i++)
		mount_free (self->items[i]);
	free (self->packet);
	free (self);
	*self_p = NULL;
}

/* --- the table ------------------------------------------------------------------------------------ */

static bool word_in (const char *const *words, const char *word)
{
	while (*words && strcmp (*words, word) != 0)
		words++;
	return *words != NULL;
}

static bool below (const char *path, const char *directory, bool itself)
{
	size_t size = strlen (directory);
	if (strncmp (path, directory, size) != 0)
		return false;
	return (path[size] == '\0' && itself) || (path[size] == '/' && (itself || path[size + 1]));
}

/* node_exporter's --collector.filesystem.{fs-types,mount-points}-exclude. */
static bool excluded (const char *point, const char *type)
{
	static const char *const types[] = { "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs",
		"debugfs", "devpts", "devtmpfs", "fusectl", "hugetlbfs", "iso9660", "mqueue", "nsfs",
		"overlay", "proc", "procfs", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "squashfs",
		"sysfs", "tracefs", NULL };
	return word_in (types, type) || below (point, "/dev", true) || below (point, "/proc", true) ||
	       below (point, "/sys", true) || below (point, "/run/credentials", false) ||
	       below (point, "/var/lib/docker", false) || below (point, "/var/lib/containers/storage", false);
}

/* Whether it can fill up for good: not memory, not a medium. */
static bool is_real (const char *type)
{
	static const char *const unreal[] = { "tmpfs", "ramfs", "erofs", "cramfs", "udf", "efivarfs", NULL };
	return !word_in (unreal, type);
}

/* "\040" for what would end a word (fs/proc_namespace.c), in place. */
static void unescape (char *word)
{
	char *to = word;
	for (const char *from = word; *from;) {
		bool octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		             from[2] <= '7' && from[3] >= '0' && from[3] <= '7';
		int value = octal ? (from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0') : 0;
		if (value) {
			*to++ = (char) value;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static bool mount_is (const mount_t *m, const line_t *line)
{
	return strcmp (m->point, line->point) == 0 && strcmp (m->device, line->device) == 0 &&
	       strcmp (m->type, line->type) == 0;
}

static mount_t *mount_new (mounts_t *self, const line_t *line)
{
	mount_t *m = calloc (1, sizeof *m);
	size_t sizes[] = { strlen (line->device) + 1, strlen (line->point) + 1, strlen (line->type) + 1 };
	char *texts = m ? malloc (sizes[0] + sizes[1] + sizes[2]) : NULL;
	if (!texts) {
		free (m);
		return NULL;
	}
	m->device = memcpy (texts, line->device, sizes[0]);
	m->point = memcpy (texts + sizes[0], line->point, sizes[1]);
	m->type = memcpy (texts + sizes[0] + sizes[1], line->type, sizes[2]);
	m->id = self->next_id++;
	m->real = is_real (line->type);
	m->retry_ns = MOUNTS_RETRY_FIRST_NS;
	return m;
}

/* The mount at position i is this one. NULL without room or memory. */
static mount_t *mount_note (mounts_t *self, size_t i, const line_t *line)
{
	size_t k = i;
	while (k < self->n && !mount_is (self->items[k], line))
		k++;
	if (k == self->n) {
		mount_t *m = k < MOUNTS_MAX ? mount_new (self, line) : NULL;
		if (!m)
			return NULL;
		self->items[self->n++] = m;
	}
	mount_t *m = self->items[k];
	memmove (&self->items[i + 1], &self->items[i], (k - i) * sizeof self->items[0]);
	return self->items[i] = m;
}

/* A mount as the file says it, pointing into its text. */
static bool line_take (char *line, line_t *ret)
{
	char *device = scan_word (&line), *point = device ? scan_word (&line) : NULL;
	char *type = point ? scan_word (&line) : NULL;
	if (!type)
		return false;
	unescape (point);
	if (excluded (point, type))
		return false;
	unescape (device);
	*ret = (line_t){ device, point, type, 0 };
	for (const char *c = point; *c; c++)
		ret->hash = ret->hash * 31 + (unsigned char) *c;
	return true;
}

/* One mounted over another at the same place hides it. */
static bool is_hidden (const line_t *line, const line_t *end)
{
	for (const line_t *other = line + 1; other < end; other++) {
		if (other->hash == line->hash && strcmp (other->point, line->point) == 0)
			return true;
	}
	return false;
}

/* procfs tells by poll that the mounts have changed since the last poll, or since the file was opened. */
static bool is_current (mounts_t *self)
{
	struct statfs fs;
	if (self->source.fd < 0 || fstatfs (self->source.fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return false;
	struct pollfd fd = { .fd = self->source.fd, .events = POLLPRI };
	return poll (&fd, 1, 0) == 0;
}

static void mounts_read (mounts_t *self, collect_t *c)
{
	if (is_current (self))
		return;
	size_t n_lines = 0, n = 0;
	self->left_out = 0;
	if (source_read (&self->source, &c->text)) {
		line_t line;
		for (char *text = c->text.data, *p; (p = scan_line (&text));) {
			if (!line_take (p, &line))
				continue;
			if (n_lines < MOUNTS_MAX)
				self->lines[n_lines++] = line;
			else
				self->left_out++;
		}
	}
	for (size_t i = 0; i < n_lines; i++) {
		const line_t *line = &self->lines[i];
		if (is_hidden (line, self->lines + n_lines))
			continue;
		if (mount_note (self, n, line))
			n++;
		else
			self->left_out++;
	}
	while (self->n > n)
		mount_free (self->items[--self->n]);
}

/* --- the child ------------------------------------------------------------------------------------ */

static mount_t *mount_of (const mounts_t *self, uint32_t id)
{
	for (size_t i = 0; i < self->n; i++) {
		if (self->items[i]->id == id)
			return self->items[i];
	}
	return NULL;
}

/* The next of those asked has answered. */
static void answer_take (mounts_t *self, const mount_answer_t *answer, mono_t now)
{
	if (self->n_answered < self->n_asked)
		self->n_answered++;
	mount_t *m = mount_of (self, answer->id);
	if (!m)
		return;
	m->answer = *answer;
	m->answered = true;
	m->answered_at = now;
	m->hangs = false;
	m->retry_ns = MOUNTS_RETRY_FIRST_NS;
}

static void answers_take (mounts_t *self, mono_t now)
{
	uint16_t kind;
	size_t size;
	bool last;
	mount_answer_t answer;
	while (child_take (self->child, now, &kind, self->packet, &size, &last)) {
		if (last)
			self->ever = true;
		if (kind != CHILD_ASK_MOUNTS || size != sizeof answer)
			continue;
		memcpy (&answer, self->packet, sizeof answer);
		answer_take (self, &answer, now);
	}
	/* What it does not answer now, it hangs on; how long, is for others to judge. */
	if (child_silent_ns (self->child, now) == 0 || self->n_answered == self->n_asked)
		return;
	mount_t *m = mount_of (self, self->asked[self->n_answered]);
	if (m && !m->hangs && child_silent_ns (self->child, now) >= MOUNTS_HANG_NS) {
		m->hangs = true;
		m->hangs_since = mono_add (now, -child_silent_ns (self->child, now));
		m->retry_at = mono_add (now, CHILD_PATIENCE_NS + m->retry_ns);
	}
}

/* Adds a mount to the request; false when it is full. */
static bool request_add (mounts_t *self, const mount_t *m, size_t *size)
{
	size_t length = strlen (m->point) + 1;
	if (CHILD_PACKET_MAX - *size < sizeof m->id + length)
		return false;
	memcpy (self->packet + *size, &m->id, sizeof m->id);
	memcpy (self->packet + *size + sizeof m->id, m->point, length);
	*size += sizeof m->id + length;
	self->asked[self->n_asked++] = m->id;
	return true;
}

static void ask (mounts_t *self, mono_t now)
{
	size_t size = 0, taken = 0;
	self->n_asked = self->n_answered = 0;
	bool room = true;
	for (; taken < self->n && room; taken += room) {
		const mount_t *m = self->items[(self->turn + taken) % self->n];
		room = m->hangs || request_add (self, m, &size);
	}
	self->turn = self->n && !room ? (self->turn + taken) % self->n : 0;
	for (size_t i = 0; i < self->n && room; i++) {
		mount_t *m = self->items[i];
		if (!m->hangs || mono_since (now, m->retry_at) < 0)
			continue;
		room = request_add (self, m, &size);
		m->retry_ns = 2 * m->retry_ns > MOUNTS_RETRY_MAX_NS ? MOUNTS_RETRY_MAX_NS : 2 * m->retry_ns;
		m->retry_at = mono_add (now, CHILD_PATIENCE_NS + m->retry_ns);
	}
	(void) child_ask (self->child, now, CHILD_ASK_MOUNTS, self->packet, size);
}

void mounts_ask (mounts_t *self, collect_t *c)
{
	mounts_read (self, c);
	answers_take (self, c->now);
	child_step (self->child, c->now);
	if (child_ready (self->child))
		ask (self, c->now);
}

/* --- figures -------------------------------------------------------------------------------------- */

/* As df counts: what root alone may use is not there to be used. */
static double used_ratio (const mount_answer_t *a)
{
	uint64_t used = a->size_bytes > a->free_bytes ? a->size_bytes - a->free_bytes : 0;
	double there = (double) used + (double) a->avail_bytes;
	return there > 0 ? (double) used / there : NAN;
}

static void mount_put (const mount_t *m, collect_t *c)
{
	static const series_def_t size = GAUGE ("node_filesystem_size_bytes", "bytes"),
	                          unused = GAUGE ("node_filesystem_free_bytes", "bytes"),
	                          avail = GAUGE ("node_filesystem_avail_bytes", "bytes"),
	                          files = GAUGE ("node_filesystem_files", ""),
	                          files_free = GAUGE ("node_filesystem_files_free", ""),
	                          readonly = GAUGE ("node_filesystem_readonly", ""),
	                          error = GAUGE ("node_filesystem_device_error", ""),
	                          used = GAUGE ("belfry_filesystem_used_ratio", "ratio");
	const mount_answer_t *a = &m->answer;
	label_t labels[] = { { "device", m->device }, { "fstype", m->type }, { "mountpoint", m->point } };
	bool known = m->answered && mono_since (c->now, m->answered_at) < MOUNTS_AGE_MAX_NS;
	if (!known && !m->hangs)
		return;
	samples_put (c->samples, &error, !known || m->hangs || a->error, labels, 3);
	if (!known || a->error)
		return;
	const struct {
		const series_def_t *def;
		uint64_t value;
	} figures[] = { { &size, a->size_bytes }, { &unused, a->free_bytes }, { &avail, a->avail_bytes },
		{ &files, a->files }, { &files_free, a->files_free }, { &readonly, a->readonly } };
	for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
		samples_put (c->samples, figures[i].def, (double) figures[i].value, labels, 3);
	/* A medium is always full, and nothing is the worse for it. */
	if (!a->readonly && !isnan (used_ratio (a)))
		samples_put (c->samples, &used, used_ratio (a), labels, 3);
}

void mounts_collect (mounts_t *self, collect_t *c, int64_t patience_ns)
{
	static const series_def_t stuck = GAUGE ("belfry_filesystem_probe_stuck_seconds", "seconds");
	answers_take (self, c->now);
	for (mono_t until = mono_add (mono_now (), patience_ns); !self->ever && child_asked (self->child);
	        answers_take (self, c->now)) {
		int64_t left = mono_since (until, mono_now ());
		if (left <= 0)
			break;
		child_wait (self->child, left);
	}
	const char *point;
	collect_put (c, &stuck, (double) mounts_stuck_ns (self, c->now, &point) / NS_PER_S);
	for (size_t i = 0; i < self->n; i++)
		mount_put (self->items[i], c);
}

void mounts_wait (mounts_t *self, int64_t timeout_ns)
{
	if (child_asked (self->child))
		child_wait (self->child, timeout_ns);
}

double mounts_fullest (const mounts_t *self, mono_t now, const char **ret_mountpoint)
{
	double most = NAN;
	*ret_mountpoint = NULL;
	for (size_t i = 0; i < self->n; i++) {
		const mount_t *m = self->items[i];
		if (!m->real || m->answer.readonly || !m->answered || m->answer.error ||
		        mono_since (now, m->answered_at) >= MOUNTS_AGE_MAX_NS)
			continue;
		double used = used_ratio (&m->answer);
		if (isnan (most) || used > most) {
			most = used;
			*ret_mountpoint = m->point;
		}
	}
	return most;
}

int64_t mounts_stuck_ns (const mounts_t *self, mono_t now, const char **ret_mountpoint)
{
	int64_t most = 0;
	*ret_mountpoint = NULL;
	for (size_t i = 0; i < self->n; i++) {
		const mount_t *m = self->items[i];
		if (m->hangs && mono_since (now, m->hangs_since) > most) {
			most = mono_since (now, m->hangs_since);
			*ret_mountpoint = m->point;
		}
	}
	return most;
}

size_t mounts_count (const mounts_t *self, size_t *ret_left_out)
{
	*ret_left_out = self->left_out;
	return self->n;
}

const child_t *mounts_child (const mounts_t *self)
{
	return self->child;
}
