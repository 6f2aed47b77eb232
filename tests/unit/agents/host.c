#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agents/probes/child.h"
#include "agents/probes/health/disks.h"
#include "agents/probes/health/host.h"
#include "base/utf8.h"
#include "tests/unit/agents/host_tree.h"
#include "tests/unit/agents/tree.h"

/* Real time that a wait may take; the probe's time is the test's. */
#define LIMIT_NS (20 * NS_PER_S)

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
	cr_assert_null (host);
	tree_remove ();
}
TestSuite (host, .init = setup, .fini = teardown, .timeout = 60);

static void make (void)
{
	err_t err;
	char proc[TREE_PATH_MAX];
	strcpy (proc, tree_path ("proc"));
	host_options_t options = { .proc = proc, .sys = tree_path ("sys") };
	cr_assert_eq (host_new (&options, &host, &err), 0, "%s", err.text);
}

static void run (void)
{
	now = mono_add (now, NS_PER_S);
	host_run (host, now);
}

/* As run, once the child has answered: time must not run away from it. */
static void run_answered (void)
{
	host_wait (host, LIMIT_NS);
	run ();
}

static double value (const char *name, const char *label, const char *of)
{
	double ret = NAN;
	(void) samples_find (host_samples (host), name, label, of, &ret);
	return ret;
}

/* Runs until the series is there. */
static double value_awaited (const char *name, const char *label, const char *of)
{
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	do
		run_answered ();
	while (isnan (value (name, label, of)) && mono_since (until, mono_now ()) > 0);
	return value (name, label, of);
}

/* Stops the child, as a call that hangs does. */
static void child_stop (pid_t pid)
{
	siginfo_t info;
	cr_assert_eq (kill (pid, SIGSTOP), 0);
	cr_assert_eq (waitid (P_PID, (id_t) pid, &info, WSTOPPED | WNOWAIT), 0);
}

static const probe_check_t *check (const char *name)
{
	size_t n;
	const probe_check_t *checks = host_checks (host, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp (checks[i].component, name) == 0)
			return &checks[i];
	}
	return NULL;
}

Test (host, before_its_first_run_it_is_unknown)
{
	size_t n = 1;
	make ();
	cr_assert_eq (host_status (host), PROBE_STATUS_UNKNOWN);
	(void) host_checks (host, &n);
	cr_assert_eq (n, 0);
	cr_assert (isnan (host_summary (host)->load1));
}

Test (host, a_proc_that_is_not_there_is_an_error)
{
	err_t err;
	cr_assert_eq (host_new (&(host_options_t){ .proc = "/nonexistent" }, &host, &err), -ENOENT);
	cr_assert_null (host);
	cr_assert_not_null (strstr (err.text, "/nonexistent"));
}

Test (host, every_file_gives_its_series)
{
	static const struct {
		const char *name, *label, *of;
		double value;
	} wanted[] = {
		{ "node_cpu_guest_seconds_total", "mode", "nice", 25 },
		{ "node_intr_total", NULL, NULL, 12345 },
		{ "node_context_switches_total", NULL, NULL, 67890 },
		{ "node_boot_time_seconds", NULL, NULL, 1700000000 },
		{ "node_forks_total", NULL, NULL, 321 },
		{ "node_procs_running", NULL, NULL, 3 },
		{ "node_procs_blocked", NULL, NULL, 1 },
		{ "node_load1", NULL, NULL, 0.57 },
		{ "node_load15", NULL, NULL, 10 },
		{ "node_softnet_processed_total", "cpu", "0", 0x1a86f },
		{ "node_softnet_processed_total", "cpu", "7", 0x16943 },
		{ "node_memory_MemTotal_bytes", NULL, NULL, 1024e6 },
		{ "node_memory_Active_anon_bytes", NULL, NULL, 1234 * 1024 },
		{ "node_memory_HugePages_Total", NULL, NULL, 5 },
		{ "belfry_host_memory_used_ratio", NULL, NULL, 0.4 },
		{ "node_vmstat_pgmajfault", NULL, NULL, 1407 },
		{ "node_vmstat_oom_kill", NULL, NULL, 4 },
		{ "node_pressure_cpu_waiting_seconds_total", NULL, NULL, 43.566256 },
		{ "node_pressure_io_stalled_seconds_total", NULL, NULL, 5.249849 },
		{ "node_pressure_memory_waiting_seconds_total", NULL, NULL, 0.001 },
		{ "node_disk_reads_completed_total", "device", "vda", 47478 },
		{ "node_disk_read_bytes_total", "device", "vda", 3937522.0 * 512 },
		{ "node_disk_io_time_seconds_total", "device", "vda", 9.908 },
		{ "node_disk_flush_requests_time_seconds_total", "device", "vda", 0.658 },
		{ "node_disk_io_now", "device", "vda", 2 },
		{ "node_disk_io_time_weighted_seconds_total", "device", "sda", 0.004 },
		{ "node_netstat_TcpExt_ListenDrops", NULL, NULL, 2 },
		{ "node_netstat_IpExt_InOctets", NULL, NULL, 307910118 },
		{ "node_netstat_Tcp_ActiveOpens", NULL, NULL, 32384 },
		{ "node_netstat_Tcp_InErrs", NULL, NULL, 6 },
		{ "node_netstat_Ip_Forwarding", NULL, NULL, 2 },
		{ "node_netstat_Ip6_InOctets", NULL, NULL, 3190 },
		{ "node_netstat_Icmp6_InMsgs", NULL, NULL, 1 },
		{ "node_sockstat_sockets_used", NULL, NULL, 18 },
		{ "node_sockstat_TCP_mem", NULL, NULL, 169 },
		{ "node_sockstat_TCP6_inuse", NULL, NULL, 3 },
		{ "node_nf_conntrack_entries", NULL, NULL, 12 },
		{ "node_nf_conntrack_stat_found", NULL, NULL, 16 },
		{ "node_network_receive_bytes_total", "device", "eth0", 27104445 },
		{ "node_network_transmit_compressed_total", "device", "eth0", 12 },
		{ "node_network_transmit_bytes_total", "device", "lo", 100 },
		{ "node_network_up", "device", "eth0", 1 },
		{ "node_network_up", "device", "lo", 0 },
		{ "node_network_flags", "device", "eth0", 0x1003 },
		{ "node_network_speed_bytes", "device", "eth0", -125000 },
		{ "node_network_speed_bytes", "device", "lo", 125000000 },
		{ "node_network_info", "address", "02:fc:00:00:00:01", 1 },
		{ "node_filefd_allocated", NULL, NULL, 467 },
		{ "node_filefd_maximum", NULL, NULL, 2466174 },
		{ "node_entropy_available_bits", NULL, NULL, 256 },
	};
	make ();
	run ();
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		double got = value (wanted[i].name, wanted[i].label, wanted[i].of);
		double ticks =
		        strncmp (wanted[i].name, "node_cpu", 8) == 0 ? (double) sysconf (_SC_CLK_TCK) : 1;
		cr_assert_float_eq (got * ticks, wanted[i].value, 1e-6 * fabs (wanted[i].value) + 1e-12,
		        "%s{%s} is %g", wanted[i].name, wanted[i].of ? wanted[i].of : "", got);
	}
	double page = (double) sysconf (_SC_PAGESIZE);
	cr_assert_eq (value ("node_sockstat_TCP_mem_bytes", NULL, NULL), 169 * page);
	cr_assert_eq (value ("belfry_agent_resident_bytes", NULL, NULL), 300 * page);
	cr_assert_eq (value ("belfry_agent_resident_anon_bytes", NULL, NULL), 200 * page);
	const char *unwanted[] = { "node_vmstat_nr_free_pages", "node_vmstat_pgscan_kswapd",
		"node_netstat_TcpExt_Ignored", "node_netstat_Tcp_MaxConn", "node_netstat_Ip6_InReceives",
		"node_pressure_cpu_stalled_seconds_total" };
	for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
		cr_assert (isnan (value (unwanted[i], NULL, NULL)), "%s", unwanted[i]);
	cr_assert (isnan (value ("node_disk_io_now", "device", "vda1")));
	cr_assert (isnan (value ("node_disk_io_now", "device", "loop0")));
	cr_assert (isnan (value ("node_disk_discards_completed_total", "device", "sda")),
	        "an old kernel's line");
}

Test (host, names_have_node_exporters_types)
{
	static const struct {
		const char *name;
		sample_kind_t kind;
	} wanted[] = { { "node_cpu_seconds_total", SAMPLE_COUNTER }, { "node_load1", SAMPLE_GAUGE },
		{ "node_memory_MemFree_bytes", SAMPLE_GAUGE }, { "node_disk_io_now", SAMPLE_GAUGE },
		{ "node_network_carrier_changes_total", SAMPLE_COUNTER },
		{ "node_vmstat_pgfault", SAMPLE_COUNTER }, { "node_netstat_Tcp_CurrEstab", SAMPLE_GAUGE },
		{ "belfry_agent_cpu_seconds_total", SAMPLE_COUNTER } };
	make ();
	run ();
	for (size_t i = 0; i < samples_count (host_samples (host)); i++) {
		const label_t *labels;
		size_t n;
		const series_def_t *def = samples_series (host_samples (host), i, &labels, &n);
		size_t size = strlen (def->name);
		bool total = size > 6 && strcmp (def->name + size - 6, "_total") == 0;
		cr_assert (!total || def->kind == SAMPLE_COUNTER, "%s", def->name);
		for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
			if (strcmp (wanted[k].name, def->name) == 0)
				cr_assert_eq (def->kind, wanted[k].kind, "%s", def->name);
		}
	}
}

Test (host, ratios_are_of_the_interval)
{
	make ();
	run ();
	cr_assert (isnan (host_summary (host)->cpu_used_ratio));
	cr_assert (isnan (host_summary (host)->io_pressure_ratio));
	/* 100 ticks more: 25 of user, 75 of iowait and idle. */
	tree_write ("proc/stat", "cpu  1025 100 300 8050 225 10 20 30 40 50\n");
	tree_write ("proc/pressure/io", "some avg10=0.03 avg60=0.07 avg300=0.07 total=6125132\n");
	run ();
	cr_assert_float_eq (host_summary (host)->cpu_used_ratio, 0.25, 1e-9);
	cr_assert_float_eq (value ("belfry_host_cpu_used_ratio", NULL, NULL), 0.25, 1e-9);
	cr_assert_float_eq (host_summary (host)->io_pressure_ratio, 0.25, 1e-9);
	cr_assert_float_eq (host_summary (host)->memory_used_ratio, 0.4, 1e-9);
	cr_assert_float_eq (host_summary (host)->load5, 1.25, 1e-9);
}

Test (host, the_catalogue_stands_while_the_machine_does)
{
	make ();
	(void) value_awaited ("node_filesystem_size_bytes", "fstype", "ext4");
	uint64_t hash = samples_hash (host_samples (host));
	size_t before = mallinfo2 ().uordblks;
	for (int i = 0; i < 100; i++) {
		run_answered ();
		cr_assert_not (host_samples_changed (host));
	}
	cr_assert_eq (samples_hash (host_samples (host)), hash);
	cr_assert_leq (mallinfo2 ().uordblks, before, "it grows");
}

Test (host, a_device_that_comes_is_known_at_once_and_one_that_changes_soon)
{
	make ();
	run ();
	tree_write ("proc/net/dev", "    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n"
	                            "  eth1: 5 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n");
	tree_write ("sys/class/net/eth1/mtu", "9000\n");
	run ();
	cr_assert (host_samples_changed (host));
	cr_assert_eq (value ("node_network_mtu_bytes", "device", "eth1"), 9000);
	cr_assert (isnan (value ("node_network_mtu_bytes", "device", "eth0")));
	tree_write ("sys/class/net/eth1/mtu", "1500\n");
	for (int i = 0; i < 10; i++)
		run ();
	cr_assert_eq (value ("node_network_mtu_bytes", "device", "eth1"), 1500);
}

Test (host, a_file_system_is_asked_of_the_child)
{
	struct stat st;
	make ();
	cr_assert_gt (value_awaited ("node_filesystem_size_bytes", "mountpoint", tree_path ("disk")), 0);
	cr_assert_eq (stat (tree_path ("disk"), &st), 0);
	cr_assert_eq (value ("node_filesystem_device_error", "mountpoint", tree_path ("disk")), 0);
	double used = value ("belfry_filesystem_used_ratio", "mountpoint", tree_path ("disk"));
	cr_assert (used >= 0 && used <= 1);
	cr_assert_eq (host_summary (host)->disk_used_ratio, used);
	cr_assert_not_null (strstr (check ("disk")->message, tree_path ("disk")));
	cr_assert (isnan (value ("node_filesystem_size_bytes", "fstype", "overlay")));
	cr_assert (isnan (value ("node_filesystem_size_bytes", "fstype", "proc")));
	cr_assert_eq (value ("belfry_filesystem_probe_stuck_seconds", NULL, NULL), 0);
}

/* The kernel says a blank as \040; a name may hold what is no UTF-8. */
Test (host, mount_names_are_unescaped_and_made_valid)
{
	char mounts[2048];
	tree_directory ("a b");
	tree_directory ("bad\xff");
	snprintf (mounts, sizeof mounts,
	        "/dev/vda %s\\040b ext4 rw 0 0\n/dev/vdb %s ext4 rw 0 0\n/dev/\\9\\04 %s xfs rw 0 0\n",
	        tree_path ("a"), tree_path ("bad\xff"), tree_path ("disk"));
	tree_write ("proc/self/mounts", mounts);
	make ();
	cr_assert_gt (value_awaited ("node_filesystem_size_bytes", "mountpoint", tree_path ("a b")), 0);
	cr_assert_gt (value ("node_filesystem_size_bytes", "mountpoint", tree_path ("bad?")), 0);
	cr_assert_gt (value ("node_filesystem_size_bytes", "device", "/dev/\\9\\04"), 0);
}

Test (host, of_mounts_at_one_place_the_last_counts)
{
	char mounts[2048];
	const char *point = tree_path ("disk");
	snprintf (mounts, sizeof mounts,
	        "/dev/vda %s ext4 rw 0 0\n/dev/vdb %s xfs rw 0 0\n/dev/vdb %s xfs rw 0 0\n", point, point,
	        point);
	tree_write ("proc/self/mounts", mounts);
	make ();
	cr_assert_gt (value_awaited ("node_filesystem_size_bytes", "device", "/dev/vdb"), 0);
	cr_assert (isnan (value ("node_filesystem_size_bytes", "device", "/dev/vda")));
	size_t n = samples_count (host_samples (host));
	run ();
	cr_assert_eq (samples_count (host_samples (host)), n);
	cr_assert_not_null (strstr (check ("mounts")->message, "1 answer"));
}

Test (host, a_mount_that_is_gone_says_so_and_counts_nowhere)
{
	tree_write ("proc/self/mounts", "/dev/vda /nonexistent/belfry ext4 rw 0 0\n");
	make ();
	cr_assert_eq (value_awaited ("node_filesystem_device_error", "mountpoint", "/nonexistent/belfry"), 1);
	cr_assert (isnan (value ("node_filesystem_size_bytes", "mountpoint", "/nonexistent/belfry")));
	cr_assert (isnan (host_summary (host)->disk_used_ratio));
	cr_assert_null (check ("disk"));
}

Test (host, more_mounts_than_are_watched_are_said)
{
	static char mounts[64 * 1024];
	char *p = mounts;
	for (int i = 0; i < 300; i++)
		p += snprintf (p, 160, "/dev/vda %s/%d ext4 rw 0 0\n", tree_path ("disk"), i);
	tree_write ("proc/self/mounts", mounts);
	make ();
	(void) value_awaited ("node_filesystem_device_error", "fstype", "ext4");
	cr_assert_not_null (strstr (check ("mounts")->message, "44 more are not watched"), "%s",
	        check ("mounts")->message);
}

static void memory_write (int available)
{
	char text[128];
	snprintf (text, sizeof text, "MemTotal: 1000 kB\nMemAvailable: %d kB\n", available);
	tree_write ("proc/meminfo", text);
}

Test (host, memory_is_degraded_and_unhealthy_and_recovers_with_hysteresis)
{
	make ();
	run_answered ();
	cr_assert_eq (check ("memory")->status, PROBE_STATUS_HEALTHY);
	memory_write (50);
	run_answered ();
	cr_assert_eq (host_status (host), PROBE_STATUS_HEALTHY, "a moment is nothing");
	for (int i = 0; i < 3; i++)
		run_answered ();
	cr_assert_eq (check ("memory")->status, PROBE_STATUS_DEGRADED);
	cr_assert_eq (host_status (host), PROBE_STATUS_DEGRADED);
	memory_write (20);
	for (int i = 0; i < 4; i++)
		run_answered ();
	cr_assert_eq (host_status (host), PROBE_STATUS_UNHEALTHY);
	cr_assert_not_null (strstr (check ("memory")->message, "2.0 %"), "%s", check ("memory")->message);
	memory_write (500);
	for (int i = 0; i < 10; i++)
		run_answered ();
	cr_assert_eq (host_status (host), PROBE_STATUS_UNHEALTHY);
	run_answered ();
	cr_assert_eq (host_status (host), PROBE_STATUS_HEALTHY);
}

Test (host, descriptors_and_pressure_are_checked)
{
	make ();
	run_answered ();
	cr_assert_eq (check ("descriptors")->status, PROBE_STATUS_HEALTHY);
	cr_assert_eq (check ("pressure")->status, PROBE_STATUS_HEALTHY);
	tree_write ("proc/sys/fs/file-nr", "850 0 1000\n");
	tree_write ("proc/pressure/memory", "some avg10=90.00 avg60=80.00 avg300=70.00 total=2000\n"
	                                    "full avg10=80.00 avg60=70.00 avg300=60.00 total=1000\n");
	for (int i = 0; i < 12; i++)
		run_answered ();
	cr_assert_eq (check ("descriptors")->status, PROBE_STATUS_DEGRADED);
	cr_assert_eq (check ("pressure")->status, PROBE_STATUS_UNHEALTHY);
	tree_write ("proc/loadavg", "900.00 900.00 900.00 3/234 5678\n");
	tree_write ("proc/sys/fs/file-nr", "10 0 1000\n");
	tree_write ("proc/pressure/memory", host_files[7].text);
	for (int i = 0; i < 40; i++)
		run_answered ();
	cr_assert_eq (host_status (host), PROBE_STATUS_HEALTHY, "a busy processor is what it is for");
}

Test (host, a_full_disk_is_unhealthy)
{
	static char data[1 << 20];
	if (!tree_mount ("disk", sizeof data))
		cr_skip ("no file system can be mounted here");
	make ();
	(void) value_awaited ("node_filesystem_size_bytes", "fstype", "ext4");
	cr_assert_eq (check ("disk")->status, PROBE_STATUS_HEALTHY);
	int fd = open (tree_path ("disk/full"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq (fd, 0);
	while (write (fd, data, 4096) > 0)
		;
	close (fd);
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	do
		run_answered ();
	while (check ("disk")->status != PROBE_STATUS_UNHEALTHY && mono_since (until, mono_now ()) > 0);
	cr_assert_eq (check ("disk")->status, PROBE_STATUS_UNHEALTHY);
	cr_assert_not_null (strstr (check ("disk")->message, "100.0 % full"), "%s", check ("disk")->message);
	cr_assert_eq (value ("belfry_filesystem_used_ratio", "mountpoint", tree_path ("disk")), 1);
	tree_mount_readonly ("disk");
	do
		run_answered ();
	while (check ("disk") && mono_since (until, mono_now ()) > 0);
	cr_assert_null (check ("disk"), "what cannot be written cannot fill up");
	cr_assert_eq (value ("node_filesystem_readonly", "mountpoint", tree_path ("disk")), 1);
	cr_assert (isnan (value ("belfry_filesystem_used_ratio", "mountpoint", tree_path ("disk"))));
}

Test (host, a_mount_that_hangs_is_stuck_and_hides_nothing)
{
	make ();
	double size = value_awaited ("node_filesystem_size_bytes", "fstype", "ext4");
	pid_t pid = host_child_pid (host);
	child_stop (pid);
	/* What was under way then is asked again, or it is not: the probe knows. */
	for (int i = 0; i < 3; i++)
		run ();
	int64_t stuck_ns = (int64_t) (value ("belfry_filesystem_probe_stuck_seconds", NULL, NULL) * NS_PER_S);
	cr_assert_geq (stuck_ns, 2 * NS_PER_S);
	mono_t asked = mono_add (now, -stuck_ns);
	while (mono_since (now, asked) < 29 * NS_PER_S) {
		mono_t before = mono_now ();
		run ();
		cr_assert_lt (mono_since (mono_now (), before), NS_PER_S, "a run waits for nothing");
		double stuck = (double) mono_since (now, asked) / NS_PER_S;
		cr_assert_float_eq (value ("belfry_filesystem_probe_stuck_seconds", NULL, NULL), stuck, 1e-9);
		cr_assert_eq (
		        check ("mounts")->status, stuck < 5 ? PROBE_STATUS_HEALTHY : PROBE_STATUS_UNHEALTHY);
		cr_assert_eq (host_child_pid (host), pid, "never more than one");
	}
	cr_assert_not_null (strstr (check ("mounts")->message, tree_path ("disk")));
	cr_assert_not_null (strstr (check ("mounts")->message, "29s"));
	cr_assert_eq (value ("node_filesystem_size_bytes", "fstype", "ext4"), size, "the last answer stands");
	cr_assert_eq (value ("node_filesystem_device_error", "fstype", "ext4"), 1);
	cr_assert_eq (value ("node_load1", NULL, NULL), 0.57);
	run ();
	siginfo_t info;
	(void) waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT);
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	do
		run_answered ();
	while (host_status (host) != PROBE_STATUS_HEALTHY && mono_since (until, mono_now ()) > 0);
	cr_assert_eq (host_status (host), PROBE_STATUS_HEALTHY, "%s", check ("mounts")->message);
	cr_assert_eq (value ("belfry_filesystem_probe_stuck_seconds", NULL, NULL), 0);
	cr_assert_neq (host_child_pid (host), pid);
}

Test (host, an_answer_is_not_kept_for_ever)
{
	make ();
	(void) value_awaited ("node_filesystem_size_bytes", "fstype", "ext4");
	child_stop (host_child_pid (host));
	run ();
	now = mono_add (now, 61 * NS_PER_S);
	host_run (host, now);
	cr_assert (isnan (value ("node_filesystem_size_bytes", "fstype", "ext4")));
	cr_assert_eq (value ("node_filesystem_device_error", "fstype", "ext4"), 1);
}

Test (host, without_a_program_for_the_child_the_mounts_are_unknown_and_the_rest_is_not)
{
	err_t err;
	char proc[TREE_PATH_MAX];
	strcpy (proc, tree_path ("proc"));
	host_options_t options = { .proc = proc, .sys = tree_path ("sys"), .program = "/nonexistent/agent" };
	cr_assert_eq (host_new (&options, &host, &err), 0);
	run ();
	cr_assert_eq (check ("mounts")->status, PROBE_STATUS_UNKNOWN);
	cr_assert_not_null (strstr (check ("mounts")->message, "/nonexistent/agent"));
	cr_assert_eq (host_status (host), PROBE_STATUS_HEALTHY);
	cr_assert_eq (value ("node_load1", NULL, NULL), 0.57);
}

Test (host, partitions_and_loops_are_left_out_and_whole_disks_are_not)
{
	const char *out[] = { "ram0", "loop12", "fd0", "sda1", "vdb15", "xvda2", "hdc1", "nvme0n1p2" };
	const char *in[] = { "sda", "vda", "nvme0n1", "dm-0", "zram0", "md127", "mmcblk0p1", "sdaa1x", "",
		"fd", "nvme0", "sr0" };
	for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
		cr_assert (disks_excluded (out[i]), "%s", out[i]);
	for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
		cr_assert_not (disks_excluded (in[i]), "%s", in[i]);
}

Test (host, this_machine_is_read)
{
	err_t err;
	struct sysinfo info;
	cr_assert_eq (host_new (&(host_options_t){ 0 }, &host, &err), 0, "%s", err.text);
	run ();
	run ();
	cr_assert_eq (sysinfo (&info), 0);
	double total = (double) info.totalram * info.mem_unit;
	cr_assert_float_eq (value ("node_memory_MemTotal_bytes", NULL, NULL), total, 0.01 * total);
	cr_assert_gt (value ("node_cpu_seconds_total", "mode", "idle"), 0);
	cr_assert_gt (value ("belfry_agent_open_fds", NULL, NULL), 3);
	cr_assert_gt (value ("belfry_agent_cpu_seconds_total", NULL, NULL), 0);
	cr_assert_gt (samples_count (host_samples (host)), 100);
	cr_assert_eq (samples_dropped (host_samples (host)), 0);
	for (size_t i = 0; i < samples_count (host_samples (host)); i++) {
		const label_t *labels;
		size_t n;
		const series_def_t *def = samples_series (host_samples (host), i, &labels, &n);
		cr_assert (isfinite (samples_values (host_samples (host))[i]), "%s", def->name);
		for (size_t k = 0; k < n; k++)
			cr_assert (utf8_valid (labels[k].value, strlen (labels[k].value)));
	}
}
