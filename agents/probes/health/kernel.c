#include "agents/probes/health/kernel.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

void kernel_open (kernel_t *self, const collect_t *c)
{
	*self = (kernel_t){ .file_nr = source_of (c->proc, "sys/fs/file-nr", SOURCE_NUMBER),
		.entropy = source_of (c->proc, "sys/kernel/random/entropy_avail", SOURCE_NUMBER),
		.pool_size = source_of (c->proc, "sys/kernel/random/poolsize", SOURCE_NUMBER),
		.statm = source_of (c->proc, "self/statm", SOURCE_NUMBER),
		.fds = openat (c->proc, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.page_bytes = (double) sysconf (_SC_PAGESIZE),
		.descriptors_ratio = NAN };
}

void kernel_close (kernel_t *self)
{
	source_close (&self->file_nr);
	source_close (&self->entropy);
	source_close (&self->pool_size);
	source_close (&self->statm);
	if (self->fds >= 0)
		close (self->fds);
	self->fds = -1;
}

static void file_nr_collect (kernel_t *self, collect_t *c)
{
	static const series_def_t allocated = GAUGE ("node_filefd_allocated", ""),
	                          maximum = GAUGE ("node_filefd_maximum", "");
	self->descriptors_ratio = NAN;
	if (!source_read (&self->file_nr, &c->text))
		return;
	/* Since Linux 2.6 the number in the middle, of those allocated and not used, is 0. */
	char *p = c->text.data;
	uint64_t used, unused, most;
	if (!scan_u64 (&p, &used) || !scan_u64 (&p, &unused) || !scan_u64 (&p, &most))
		return;
	collect_put (c, &allocated, (double) used);
	collect_put (c, &maximum, (double) most);
	self->descriptors = used;
	self->descriptors_max = most;
	if (most)
		self->descriptors_ratio = (double) used / (double) most;
}

/* node_exporter's; units as adjtimex(2) has them. */
static void timex_collect (collect_t *c)
{
	static const series_def_t sync = GAUGE ("node_timex_sync_status", ""),
	                          status = GAUGE ("node_timex_status", ""),
	                          offset = GAUGE ("node_timex_offset_seconds", "seconds"),
	                          frequency = GAUGE ("node_timex_frequency_adjustment_ratio", "ratio"),
	                          maxerror = GAUGE ("node_timex_maxerror_seconds", "seconds"),
	                          esterror = GAUGE ("node_timex_estimated_error_seconds", "seconds"),
	                          constant = GAUGE ("node_timex_loop_time_constant", ""),
	                          tick = GAUGE ("node_timex_tick_seconds", "seconds"),
	                          tai = GAUGE ("node_timex_tai_offset_seconds", "seconds");
	struct timex timex = { 0 };
	int state = adjtimex (&timex);
	if (state < 0)
		return;
	double unit = timex.status & STA_NANO ? 1e-9 : 1e-6;
	collect_put (c, &sync, state != TIME_ERROR);
	collect_put (c, &status, timex.status);
	collect_put (c, &offset, (double) timex.offset * unit);
	/* Parts in a million, in units of 2^-16. */
	collect_put (c, &frequency, 1 + (double) timex.freq / 65536 / 1e6);
	collect_put (c, &maxerror, (double) timex.maxerror / 1e6);
	collect_put (c, &esterror, (double) timex.esterror / 1e6);
	collect_put (c, &constant, (double) timex.constant);
	collect_put (c, &tick, (double) timex.tick / 1e6);
	collect_put (c, &tai, timex.tai);
}

static void uname_collect (collect_t *c)
{
	static const series_def_t info = GAUGE ("node_uname_info", "");
	struct utsname u;
	if (uname (&u) < 0)
		return;
	label_t labels[] = { { "domainname", u.domainname }, { "machine", u.machine },
		{ "nodename", u.nodename }, { "release", u.release }, { "sysname", u.sysname },
		{ "version", u.version } };
	samples_put (c->samples, &info, 1, labels, sizeof labels / sizeof labels[0]);
}

/* Entries of /proc/self/fd. Since Linux 6.2 its size; before, they are counted. */
static bool fds_count (int fds, uint64_t *ret)
{
	struct stat st;
	if (fds < 0 || fstat (fds, &st) < 0)
		return false;
	*ret = (uint64_t) st.st_size;
	if (st.st_size > 0)
		return true;
	_Alignas(uint64_t) char entries[4096];
	if (lseek (fds, 0, SEEK_SET) < 0)
		return false;
	/* A record (getdents64(2)): inode, offset, u16 length of the record, type, name. */
	enum { LENGTH_AT = 16, NAME_AT = 19 };
	long n;
	while ((n = syscall (SYS_getdents64, fds, entries, sizeof entries)) > 0) {
		for (long at = 0; at < n;) {
			uint16_t length;
			memcpy (&length, entries + at + LENGTH_AT, sizeof length);
			*ret += entries[at + NAME_AT] != '.';
			at += length;
		}
	}
	return n == 0;
}

static void self_collect (kernel_t *self, collect_t *c)
{
	static const series_def_t cpu = COUNTER ("belfry_agent_cpu_seconds_total", "seconds")
	, resident = GAUGE ("belfry_agent_resident_bytes", "bytes"),
	  anon = GAUGE ("belfry_agent_resident_anon_bytes", "bytes"),
	  open = GAUGE ("belfry_agent_open_fds", "");
	struct rusage usage;
	if (getrusage (RUSAGE_SELF, &usage) == 0) {
		double seconds = (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
		double micros = (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
		collect_put (c, &cpu, seconds + micros / 1e6);
	}
	uint64_t fds, size, pages, shared;
	if (source_read (&self->statm, &c->text)) {
		char *p = c->text.data;
		if (scan_u64 (&p, &size) && scan_u64 (&p, &pages) && scan_u64 (&p, &shared)) {
			collect_put (c, &resident, (double) pages * self->page_bytes);
			/* Shared are the pages of files and of shared memory: the rest is anonymous. */
			uint64_t anonymous = pages > shared ? pages - shared : 0;
			collect_put (c, &anon, (double) anonymous * self->page_bytes);
		}
	}
	if (fds_count (self->fds, &fds))
		collect_put (c, &open, (double) fds);
}

void kernel_collect (kernel_t *self, collect_t *c)
{
	static const series_def_t now = GAUGE ("node_time_seconds", "seconds"),
	                          entropy = GAUGE ("node_entropy_available_bits", ""),
	                          pool = GAUGE ("node_entropy_pool_size_bits", "");
	self_collect (self, c);
	collect_put (c, &now, (double) wall_now ().ns / NS_PER_S);
	uname_collect (c);
	timex_collect (c);
	file_nr_collect (self, c);
	collect_number (c, &self->entropy, &entropy);
	collect_number (c, &self->pool_size, &pool);
}
