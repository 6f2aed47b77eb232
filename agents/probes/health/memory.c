#include "agents/probes/health/memory.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const series_def_t used = GAUGE ("belfry_host_memory_used_ratio", "ratio");

void memory_open (memory_t *self, const collect_t *c)
{
	*self = (memory_t){ .meminfo = source_of (c->proc, "meminfo", SOURCE_WHOLE),
		.vmstat = source_of (c->proc, "vmstat", SOURCE_PIECES),
		.used_ratio = NAN };
}

void memory_close (memory_t *self)
{
	source_close (&self->meminfo);
	source_close (&self->vmstat);
	names_free (&self->meminfo_names);
	names_free (&self->vmstat_names);
}

/* group is the unit: "kB" or none. "Active(anon)" is Active_anon. */
static bool meminfo_define (const char *unit, const char *key, name_t *ret)
{
	bool kilobytes = strcmp (unit, "kB") == 0;
	char plain[NAME_TEXT_MAX];
	snprintf (plain, sizeof plain, "%s", key);
	size_t size = strlen (plain);
	if (size && plain[size - 1] == ')')
		plain[size - 1] = '\0';
	name_join (ret, "node_memory_", "", plain, kilobytes ? "_bytes" : "");
	ret->def.unit = kilobytes ? "bytes" : "";
	return true;
}

static void meminfo_collect (memory_t *self, collect_t *c)
{
	self->used_ratio = NAN;
	if (!source_read (&self->meminfo, &c->text))
		return;
	bool total = false, available = false;
	names_begin (&self->meminfo_names);
	for (char *text = c->text.data, *line; (line = scan_line (&text));) {
		char *key = line, *colon = strchr (line, ':');
		uint64_t value;
		if (!colon || colon == key)
			continue;
		*colon = '\0';
		line = colon + 1;
		if (!scan_u64 (&line, &value))
			continue;
		const char *unit = scan_word (&line);
		bool kilobytes = unit && strcmp (unit, "kB") == 0;
		const series_def_t *def =
		        names_find (&self->meminfo_names, kilobytes ? unit : "", key, meminfo_define);
		if (kilobytes && __builtin_mul_overflow (value, 1024, &value))
			value = UINT64_MAX;
		if (def)
			collect_put (c, def, (double) value);
		if (strcmp (key, "MemTotal") == 0) {
			self->total_bytes = value;
			total = value > 0;
		} else if (strcmp (key, "MemAvailable") == 0) {
			self->available_bytes = value;
			available = true;
		}
	}
	if (total && available) {
		double free_ratio = (double) self->available_bytes / (double) self->total_bytes;
		self->used_ratio = fmax (0, 1 - free_ratio);
		collect_put (c, &used, self->used_ratio);
	}
}

/* node_exporter's default: ^(oom_kill|pgpg|pswp|pg.*fault).* */
static bool vmstat_define (const char *group, const char *key, name_t *ret)
{
	(void) group;
	if (fnmatch ("oom_kill*", key, 0) != 0 && fnmatch ("pgpg*", key, 0) != 0 &&
	        fnmatch ("pswp*", key, 0) != 0 && fnmatch ("pg*fault*", key, 0) != 0)
		return false;
	name_join (ret, "node_vmstat_", "", key, "");
	ret->def.kind = SAMPLE_COUNTER;
	return true;
}

static void vmstat_collect (memory_t *self, collect_t *c)
{
	if (!source_read (&self->vmstat, &c->text))
		return;
	names_begin (&self->vmstat_names);
	for (char *text = c->text.data, *line; (line = scan_line (&text));) {
		uint64_t value;
		char *key = scan_word (&line);
		const series_def_t *def =
		        key ? names_find (&self->vmstat_names, "", key, vmstat_define) : NULL;
		if (def && scan_u64 (&line, &value))
			collect_put (c, def, (double) value);
	}
}

void memory_collect (memory_t *self, collect_t *c)
{
	meminfo_collect (self, c);
	vmstat_collect (self, c);
}
