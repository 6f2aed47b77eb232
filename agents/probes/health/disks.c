#include "agents/probes/health/disks.h"

#include <string.h>

enum { SECTOR_BYTES = 512 };

/* The columns after the device's name (iostats.rst), and what one unit of them is in the series'. */
static const struct {
	series_def_t def;
	double unit;
} figures[] = {
	{ COUNTER ("node_disk_reads_completed_total", ""), 1 },
	{ COUNTER ("node_disk_reads_merged_total", ""), 1 },
	{ COUNTER ("node_disk_read_bytes_total", "bytes"), SECTOR_BYTES },
	{ COUNTER ("node_disk_read_time_seconds_total", "seconds"), 1e-3 },
	{ COUNTER ("node_disk_writes_completed_total", ""), 1 },
	{ COUNTER ("node_disk_writes_merged_total", ""), 1 },
	{ COUNTER ("node_disk_written_bytes_total", "bytes"), SECTOR_BYTES },
	{ COUNTER ("node_disk_write_time_seconds_total", "seconds"), 1e-3 },
	{ GAUGE ("node_disk_io_now", ""), 1 },
	{ COUNTER ("node_disk_io_time_seconds_total", "seconds"), 1e-3 },
	{ COUNTER ("node_disk_io_time_weighted_seconds_total", "seconds"), 1e-3 },
	{ COUNTER ("node_disk_discards_completed_total", ""), 1 },
	{ COUNTER ("node_disk_discards_merged_total", ""), 1 },
	{ COUNTER ("node_disk_discarded_sectors_total", ""), 1 },
	{ COUNTER ("node_disk_discard_time_seconds_total", "seconds"), 1e-3 },
	{ COUNTER ("node_disk_flush_requests_total", ""), 1 },
	{ COUNTER ("node_disk_flush_requests_time_seconds_total", "seconds"), 1e-3 },
};
static const series_def_t info = GAUGE ("node_disk_info", "");

void disks_open (disks_t *self, const collect_t *c)
{
	self->diskstats = source_of (c->proc, "diskstats", SOURCE_PIECES);
}

void disks_close (disks_t *self)
{
	source_close (&self->diskstats);
}

/* Past the digits at p; NULL when there are none. */
static const char *past_digits (const char *p)
{
	size_t n = strspn (p, "0123456789");
	return n ? p + n : NULL;
}

bool disks_excluded (const char *device)
{
	static const char *const prefixes[] = { "ram", "loop", "fd" };
	static const char *const lettered[] = { "hd", "sd", "vd", "xvd" };
	const char *end = NULL;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0] && !end; i++) {
		size_t size = strlen (prefixes[i]);
		if (strncmp (device, prefixes[i], size) == 0)
			end = past_digits (device + size);
	}
	for (size_t i = 0; i < sizeof lettered / sizeof lettered[0] && !end; i++) {
		size_t size = strlen (lettered[i]);
		if (strncmp (device, lettered[i], size) == 0 && device[size] >= 'a' && device[size] <= 'z')
			end = past_digits (device + size + 1);
	}
	if (!end && strncmp (device, "nvme", 4) == 0) {
		end = past_digits (device + 4);
		end = end && *end == 'n' ? past_digits (end + 1) : NULL;
		end = end && *end == 'p' ? past_digits (end + 1) : NULL;
	}
	return end && !*end;
}

void disks_collect (disks_t *self, collect_t *c)
{
	if (!source_read (&self->diskstats, &c->text))
		return;
	for (char *text = c->text.data, *line; (line = scan_line (&text));) {
		const char *major = scan_word (&line), *minor = major ? scan_word (&line) : NULL;
		const char *device = minor ? scan_word (&line) : NULL;
		if (!device || disks_excluded (device))
			continue;
		/* node_exporter's further labels are udev's, and empty without it. */
		label_t labels[] = { { "device", device }, { "major", major }, { "minor", minor } };
		samples_put (c->samples, &info, 1, labels, 3);
		uint64_t value;
		for (size_t i = 0; i < sizeof figures / sizeof figures[0] && scan_u64 (&line, &value); i++)
			samples_put (
			        c->samples, &figures[i].def, (double) value * figures[i].unit, labels, 1);
	}
}
