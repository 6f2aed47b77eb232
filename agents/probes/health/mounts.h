/* mounts.h - the mounted file systems, and how full they are, as the child says.
 *
 * /proc/self/mounts is read here; statvfs, which hangs on a dead mount, is the child's. It is asked once
 * a cycle, answers a packet a mount, and its answers count when they come, until they are
 * MOUNTS_AGE_MAX_NS old. A mount on which it hung is left out for a while (twice as long each time) and
 * then asked last, so one dead mount hides no other. Left out as in node_exporter: file systems that
 * are the kernel's own, and mounts below /dev, /proc, /sys and containers' storage. */

#ifndef AGENTS_PROBES_HEALTH_MOUNTS_H
#define AGENTS_PROBES_HEALTH_MOUNTS_H

#include "agents/probes/child.h"
#include "agents/probes/health/collect.h"

enum { MOUNTS_MAX = 256 };
#define MOUNTS_AGE_MAX_NS (60 * NS_PER_S)
/* Without an answer for this long a mount hangs. */
#define MOUNTS_HANG_NS (2 * NS_PER_S)
#define MOUNTS_RETRY_FIRST_NS (15 * NS_PER_S)
#define MOUNTS_RETRY_MAX_NS (300 * NS_PER_S)

typedef struct mounts mounts_t;

/* program: as child_new. 0, or -ENOMEM with *ret untouched. */
int mounts_new (const collect_t *c, const char *program, mounts_t **ret);
void mounts_destroy (mounts_t **self_p);

/* Reads the mounts, takes answers that are there and asks again. First in the cycle: the answer comes
 * while the rest is collected. */
void mounts_ask (mounts_t *self, collect_t *c);
/* Takes what has come since and puts the series. patience_ns: waits that long for the first answer ever. */
void mounts_collect (mounts_t *self, collect_t *c, int64_t patience_ns);

/* As child_wait, while an answer is under way. */
void mounts_wait (mounts_t *self, int64_t timeout_ns);

/* The fullest file system that is writable and on a device; ratio is NAN when there is none. */
double mounts_fullest (const mounts_t *self, mono_t now, const char **ret_mountpoint);
/* How long the oldest hanging mount has not answered, and which; 0 and NULL when none hangs. */
int64_t mounts_stuck_ns (const mounts_t *self, mono_t now, const char **ret_mountpoint);
/* Mounts that count; left out because there were more than MOUNTS_MAX. */
size_t mounts_count (const mounts_t *self, size_t *ret_left_out);
const child_t *mounts_child (const mounts_t *self);

/* --- what is said to the child: u32 id, mountpoint with its terminator, again and again ---------- */

typedef struct {
	uint32_t id;
	int32_t error; /* errno of statvfs, 0 */
	uint64_t size_bytes, free_bytes, avail_bytes, files, files_free;
	uint64_t readonly; /* of the mount or of its file system, as one that failed makes itself */
} mount_answer_t;

#endif
