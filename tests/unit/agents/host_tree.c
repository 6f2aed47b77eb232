#include "tests/unit/agents/host_tree.h"

#include <stdio.h>

#include "tests/unit/agents/tree.h"

const host_file_t host_files[] = {
	{ "proc/stat", "cpu  1000 100 300 8000 200 10 20 30 40 50\n"
	               "cpu0 600 60 200 4000 150 5 15 20 30 25\n"
	               "cpu1 400 40 100 4000 50 5 5 10 10 25\n"
	               "intr 12345 1 2 3 0 0 0\n"
	               "ctxt 67890\nbtime 1700000000\nprocesses 321\nprocs_running 3\nprocs_blocked 1\n"
	               "softirq 99 1 2 3\n" },
	{ "proc/loadavg", "0.57 1.25 10.00 3/234 5678\n" },
	{ "proc/net/softnet_stat", "0001a86f 00000002 00000003 00000000 0 0 0 0 0 0 0 0 00000000\n"
	                           "00016943 00000000 00000000 00000000 0 0 0 0 0 0 0 0 00000007\n" },
	{ "proc/meminfo", "MemTotal:        1000000 kB\nMemFree:          400000 kB\n"
	                  "MemAvailable:     600000 kB\nActive(anon):       1234 kB\n"
	                  "HugePages_Total:       5\nDirectMap4k:       20480 kB\n" },
	{ "proc/vmstat", "nr_free_pages 6085\npgpgin 1485557\npgpgout 440536\npswpin 1\npswpout 2\n"
	                 "pgfault 7892748\npgmajfault 1407\npgscan_kswapd 77\noom_kill 4\n" },
	{ "proc/pressure/cpu", "some avg10=11.13 avg60=2.42 avg300=1.33 total=43566256\n"
	                       "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n" },
	{ "proc/pressure/io", "some avg10=0.03 avg60=0.07 avg300=0.07 total=5875132\n"
	                      "full avg10=0.01 avg60=0.03 avg300=0.05 total=5249849\n" },
	{ "proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n"
	                          "full avg10=0.00 avg60=0.00 avg300=0.00 total=500\n" },
	{ "proc/diskstats", "   7       0 loop0 1 0 0 0 0 0 0 0 0 0 0\n"
	                    " 254       0 vda 47478 8848 3937522 23311 15996 12520 956264 6086 2 9908 32122"
	                    " 8067 71 299768 2066 2370 658\n"
	                    " 254       1 vda1 1 2 3 4 5 6 7 8 9 10 11\n"
	                    "   8       0 sda 5 0 16 2 1 0 8 1 0 3 4\n" },
	{ "proc/net/netstat", "TcpExt: SyncookiesSent ListenDrops Ignored TCPTimeouts\nTcpExt: 1 2 3 4\n"
	                      "IpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 307910118 280863861\n" },
	{ "proc/net/snmp", "Ip: Forwarding DefaultTTL\nIp: 2 64\n"
	                   "Tcp: RtoAlgorithm MaxConn ActiveOpens CurrEstab InErrs\nTcp: 1 -1 32384 7 6\n"
	                   "Udp: InDatagrams\nUdp: 26\n" },
	{ "proc/net/snmp6", "Ip6InOctets                     \t3190\nIcmp6InMsgs  \t1\n"
	                    "Ip6InReceives\t37\nUdp6InDatagrams\t0\n" },
	{ "proc/net/sockstat", "sockets: used 18\nTCP: inuse 4 orphan 0 tw 0 alloc 4 mem 169\n" },
	{ "proc/net/sockstat6", "TCP6: inuse 3\nFRAG6: inuse 0 memory 0\n" },
	{ "proc/sys/net/netfilter/nf_conntrack_count", "12\n" },
	{ "proc/sys/net/netfilter/nf_conntrack_max", "262144\n" },
	{ "proc/net/stat/nf_conntrack", "entries  found drop\n0000000c  0000000a 00000001\n"
	                                "0000000c  00000006 00000001\n" },
	{ "proc/net/dev",
	        "Inter-|   Receive                                                |  Transmit\n"
	        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
	        "  eth0: 27104445 947 1 2 3 4 5 6 56968 719 7 8 9 10 11 12\n"
	        "    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n" },
	{ "proc/sys/fs/file-nr", "467\t0\t2466174\n" },
	{ "proc/sys/kernel/random/entropy_avail", "256\n" },
	{ "proc/sys/kernel/random/poolsize", "256\n" },
	{ "proc/self/statm", "1000 300 100 10 0 200 0\n" },
	{ "sys/class/net/eth0/operstate", "up\n" },
	{ "sys/class/net/eth0/address", "02:fc:00:00:00:01\n" },
	{ "sys/class/net/eth0/flags", "0x1003\n" },
	{ "sys/class/net/eth0/mtu", "1400\n" },
	{ "sys/class/net/eth0/speed", "-1\n" },
	{ "sys/class/net/eth0/ifalias", "\n" },
	{ "sys/class/net/lo/operstate", "unknown\n" },
	{ "sys/class/net/lo/speed", "1000\n" },
};
const size_t host_files_n = sizeof host_files / sizeof host_files[0];

void host_tree_make (void)
{
	char mounts[1024];
	for (size_t i = 0; i < host_files_n; i++)
		tree_write (host_files[i].path, host_files[i].text);
	tree_directory ("disk");
	snprintf (mounts, sizeof mounts,
	        "proc /proc proc rw 0 0\n/dev/vda %s ext4 rw,relatime 0 0\noverlay %s overlay rw 0 0\n",
	        tree_path ("disk"), tree_path (""));
	tree_write ("proc/self/mounts", mounts);
}
