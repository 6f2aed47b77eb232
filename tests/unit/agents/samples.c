#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agents/samples.h"
#include "base/utf8.h"

static const series_def_t cpu = { "node_cpu_seconds_total", SAMPLE_COUNTER, "seconds" },
                          load = { "node_load1", SAMPLE_GAUGE, "" },
                          disk = { "node_disk_io_now", SAMPLE_GAUGE, "" };
static samples_t *samples;

static void setup (void)
{
	cr_assert_eq (samples_new (&samples), 0);
}
static void teardown (void)
{
	samples_destroy (&samples);
	cr_assert_null (samples);
	samples_destroy (&samples);
}
TestSuite (samples, .init = setup, .fini = teardown);

static void put_cpu (const char *number, const char *mode, double value)
{
	label_t labels[] = { { "cpu", number }, { "mode", mode } };
	samples_put (samples, &cpu, value, labels, 2);
}

/* A cycle of load1, one cpu series a character of numbers, then a disk. */
static bool cycle (const char *numbers, double value)
{
	samples_begin (samples);
	samples_put (samples, &load, value, NULL, 0);
	for (const char *c = numbers; *c; c++)
		put_cpu ((char[]){ *c, '\0' }, "idle", value + *c);
	label_t device = { "device", "vda" };
	samples_put (samples, &disk, -value, &device, 1);
	return samples_end (samples);
}

static const char *label_of (size_t i, size_t k)
{
	const label_t *labels;
	size_t n;
	samples_series (samples, i, &labels, &n);
	cr_assert_lt (k, n);
	return labels[k].value;
}

Test (samples, an_empty_cycle_has_a_hash_and_nothing_else)
{
	samples_begin (samples);
	cr_assert_not (samples_end (samples));
	cr_assert_eq (samples_count (samples), 0);
	cr_assert_neq (samples_hash (samples), 0);
}

Test (samples, the_first_cycle_changes_the_catalogue_and_the_second_does_not)
{
	cr_assert (cycle ("01", 1));
	uint64_t hash = samples_hash (samples);
	cr_assert_eq (samples_count (samples), 4);
	cr_assert_not (cycle ("01", 2));
	cr_assert_eq (samples_hash (samples), hash);
	cr_assert_eq (samples_values (samples)[0], 2);
	cr_assert_eq (samples_values (samples)[2], 2 + '1');
	cr_assert_str_eq (label_of (2, 0), "1");
	cr_assert_str_eq (label_of (2, 1), "idle");
}

Test (samples, a_series_that_comes_or_goes_changes_it_from_there_on)
{
	cycle ("02", 1);
	uint64_t hash = samples_hash (samples);
	cr_assert (cycle ("012", 1));
	cr_assert_neq (samples_hash (samples), hash);
	cr_assert_eq (samples_count (samples), 5);
	const char *numbers[] = { "0", "1", "2", "vda" };
	for (size_t i = 0; i < 4; i++)
		cr_assert_str_eq (label_of (1 + i, 0), numbers[i]);
	cr_assert (cycle ("02", 1));
	cr_assert_eq (samples_hash (samples), hash, "the same series have the same hash");
	samples_begin (samples);
	samples_put (samples, &load, 1, NULL, 0);
	cr_assert (samples_end (samples), "the end went away");
	cr_assert_eq (samples_count (samples), 1);
}

Test (samples, the_hash_is_that_of_every_catalogue_ever_sent)
{
	cycle ("0", 1);
	cr_assert_eq (samples_hash (samples), UINT64_C (0xffc42eb374750ced), "%016llx",
	        (unsigned long long) samples_hash (samples));
}

Test (samples, the_hash_tells_names_kinds_units_and_labels_apart)
{
	static const series_def_t defs[] = { { "ab", SAMPLE_GAUGE, "c" }, { "a", SAMPLE_GAUGE, "bc" },
		{ "ab", SAMPLE_COUNTER, "c" }, { "ab", SAMPLE_GAUGE, "" } };
	static const label_t labels[] = { { "x", "yz" }, { "xy", "z" }, { "x", "y" } };
	uint64_t hashes[16];
	size_t n = 0;
	for (size_t d = 0; d < 4; d++) {
		for (size_t l = 0; l < 4; l++) {
			samples_begin (samples);
			samples_put (samples, &defs[d], 0, &labels[l], l < 3);
			samples_end (samples);
			hashes[n++] = samples_hash (samples);
			for (size_t i = 0; i + 1 < n; i++)
				cr_assert_neq (hashes[i], hashes[n - 1], "%zu and %zu", i, n - 1);
		}
	}
}

Test (samples, labels_from_outside_become_valid_text_and_stay_the_same_series)
{
	char long_value[400];
	memset (long_value, 'x', sizeof long_value - 1);
	long_value[sizeof long_value - 1] = '\0';
	/* The bound cuts this one's last character in two. */
	char cut[300] = "";
	while (strlen (cut) < 297)
		strcat (cut, "\xe2\x82\xac");
	const char *values[] = { "/mnt/\xff\xfe", long_value, cut, "" };
	for (int round = 0; round < 2; round++) {
		samples_begin (samples);
		for (size_t i = 0; i < 4; i++)
			samples_put (samples, &disk, 1, &(label_t){ "device", values[i] }, 1);
		cr_assert_eq (samples_end (samples), round == 0);
	}
	cr_assert_str_eq (label_of (0, 0), "/mnt/??");
	cr_assert_eq (strlen (label_of (1, 0)), SAMPLES_LABEL_VALUE_MAX);
	cr_assert_leq (strlen (label_of (2, 0)), SAMPLES_LABEL_VALUE_MAX);
	cr_assert (utf8_valid (label_of (2, 0), strlen (label_of (2, 0))));
	cr_assert_str_eq (label_of (3, 0), "");
}

Test (samples, what_passes_the_bound_is_left_out_and_counted)
{
	char number[16];
	for (int round = 0; round < 2; round++) {
		samples_begin (samples);
		for (int i = 0; i < SAMPLES_SERIES_MAX + 10; i++) {
			snprintf (number, sizeof number, "%d", i);
			put_cpu (number, "idle", i);
		}
		cr_assert_eq (samples_end (samples), round == 0);
		cr_assert_eq (samples_count (samples), SAMPLES_SERIES_MAX);
	}
	cr_assert_eq (samples_dropped (samples), 20);
	cr_assert_eq (samples_values (samples)[SAMPLES_SERIES_MAX - 1], SAMPLES_SERIES_MAX - 1);
}

Test (samples, a_value_is_found_by_name_and_label)
{
	double value = NAN;
	cycle ("07", 1);
	cr_assert (samples_find (samples, "node_cpu_seconds_total", "cpu", "7", &value));
	cr_assert_eq (value, 1 + '7');
	cr_assert (samples_find (samples, "node_load1", NULL, NULL, &value));
	cr_assert_eq (value, 1);
	cr_assert_not (samples_find (samples, "node_cpu_seconds_total", "cpu", "8", &value));
	cr_assert_not (samples_find (samples, "node_load5", NULL, NULL, &value));
}
