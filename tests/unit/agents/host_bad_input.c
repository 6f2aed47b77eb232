/* Nothing that a kernel, a container or somebody with a mount says may break the host probe. */

#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agents/probes/child.h"
#include "agents/probes/health/host.h"
#include "agents/probes/health/source.h"
#include "base/utf8.h"
#include "tests/unit/agents/host_tree.h"
#include "tests/unit/agents/tree.h"

static host_t *host;
static mono_t now = { 1000 * NS_PER_S };

static void setup (void)
{
	tree_make ();
	host_tree_make ();
}
static void teardown (void)
{
	host_destroy (&host);
	tree_remove ();
}
TestSuite (host_bad_input, .init = setup, .fini = teardown, .timeout = 110);

static void make (void)
{
	err_t err;
	char proc[TREE_PATH_MAX];
	strcpy (proc, tree_path ("proc"));
	host_options_t options = { .proc = proc, .sys = tree_path ("sys") };
	cr_assert_eq (host_new (&options, &host, &err), 0, "%s", err.text);
}

/* Runs, and looks at all that came of it. */
static void run (void)
{
	now = mono_add (now, NS_PER_S);
	host_run (host, now);
	const samples_t *samples = host_samples (host);
	for (size_t i = 0; i < samples_count (samples); i++) {
		const label_t *labels;
		size_t n;
		const series_def_t *def = samples_series (samples, i, &labels, &n);
		cr_assert_not (isnan (samples_values (samples)[i]), "%s", def->name);
		cr_assert_eq (
		        strspn (def->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"),
		        strlen (def->name), "%s", def->name);
		for (size_t k = 0; k < n; k++)
			cr_assert (utf8_valid (labels[k].value, strlen (labels[k].value)));
	}
}

static double value (const char *name)
{
	double ret = NAN;
	(void) samples_find (host_samples (host), name, NULL, NULL, &ret);
	return ret;
}

Test (host_bad_input, a_machine_without_files_has_few_series)
{
	err_t err;
	tree_directory ("empty");
	cr_assert_eq (host_new (&(host_options_t){ .proc = tree_path ("empty"), .sys = "/nonexistent" },
	                      &host, &err),
	        0);
	run ();
	run ();
	cr_assert_lt (samples_count (host_samples (host)), 20);
	cr_assert (!isnan (value ("node_time_seconds")));
	cr_assert (isnan (value ("node_load1")));
	size_t n;
	(void) host_checks (host, &n);
	cr_assert_eq (n, 0);
	cr_assert_eq (host_status (host), PROBE_STATUS_UNKNOWN);
	cr_assert (isnan (host_summary (host)->memory_used_ratio));
}

Test (host_bad_input, a_file_that_comes_later_is_found)
{
	err_t err;
	tree_directory ("empty");
	cr_assert_eq (host_new (&(host_options_t){ .proc = tree_path ("empty") }, &host, &err), 0);
	run ();
	tree_write ("empty/loadavg", "1.00 2.00 3.00 1/2 3\n");
	for (int i = 0; i <= SOURCE_RETRY && isnan (value ("node_load1")); i++)
		run ();
	cr_assert_eq (value ("node_load1"), 1);
}

Test (host_bad_input, every_file_may_end_anywhere)
{
	make ();
	for (size_t i = 0; i < host_files_n; i++) {
		const host_file_t *file = &host_files[i];
		for (size_t size = strlen (file->text); size-- > 0;) {
			tree_write_bytes (file->path, file->text, size);
			run ();
		}
		tree_write (file->path, file->text);
	}
}

Test (host_bad_input, a_number_that_is_cut_is_no_number)
{
	make ();
	tree_write ("proc/meminfo", "MemTotal:        1000000 kB\nMemFree:          40");
	run ();
	cr_assert_eq (value ("node_memory_MemTotal_bytes"), 1024e6);
	cr_assert (isnan (value ("node_memory_MemFree_bytes")));
}

/* Seeded: the same bytes each time. */
Test (host_bad_input, every_file_may_hold_anything)
{
	char bytes[600];
	uint64_t state = 42;
	make ();
	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < host_files_n; i++) {
			size_t size = strlen (host_files[i].text);
			size = size < sizeof bytes ? size : sizeof bytes;
			memcpy (bytes, host_files[i].text, size);
			for (size_t k = 0; k < size; k++) {
				state = state * UINT64_C (6364136223846793005) +
				        UINT64_C (1442695040888963407);
				if (state >> 60 < 3)
					bytes[k] = (char) (state >> 40);
			}
			tree_write_bytes (host_files[i].path, bytes, size);
		}
		run ();
	}
}

Test (host_bad_input, huge_lines_and_numbers_are_bounded)
{
	size_t size = 6 << 20;
	char *text = malloc (size);
	cr_assert_not_null (text);
	memset (text, 'x', size);
	make ();
	tree_write ("proc/loadavg", "99999999999999999999999999999.99999999999999999999999999 1 2\n");
	tree_write ("proc/meminfo",
	        "MemTotal: 99999999999999999999999 kB\nMemAvailable: 18446744073709551615 kB\n");
	tree_write_bytes ("proc/stat", text, size);
	tree_write_bytes ("proc/net/dev", text, size);
	memcpy (text, "MemTotal: 5 kB\n", 15);
	tree_write_bytes ("proc/vmstat", text, size);
	memcpy (text, "1 0 ", 4);
	text[size - 1] = '\n';
	tree_write_bytes ("proc/diskstats", text, 2 << 20);
	run ();
	cr_assert (isfinite (value ("node_load1")));
	cr_assert_eq (value ("belfry_host_memory_used_ratio"), 0);
	free (text);
}

Test (host_bad_input, a_device_is_no_way_out_of_sys)
{
	tree_write ("sys/class/net/../../mtu", "7\n");
	tree_write ("proc/net/dev", " ../..: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n : 1 1\n"
	                            " .: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
	                            " longerthananynameofadevicethereeverwas: 1 1\n");
	make ();
	run ();
	cr_assert (isnan (value ("node_network_mtu_bytes")));
}

Test (host_bad_input, mounts_with_any_name)
{
	static const char mounts[] = "/dev/a \\040\\011\\012\\134\\000\\777\\ ext4 rw 0 0\n"
	                             "\\ \\0 \\04\n"
	                             "/dev/b\xff\xc0\x80 /\xf0\x9f ext4 rw\n"
	                             "short\n\n   \n"
	                             "/dev/c /c xfs";
	tree_write ("proc/self/mounts", mounts);
	make ();
	for (int i = 0; i < 3; i++)
		run ();
	for (size_t size = sizeof mounts - 1; size-- > 0;) {
		tree_write_bytes ("proc/self/mounts", mounts, size);
		run ();
	}
}
