#include "agents/probes/health/netstat.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void netstat_open (netstat_t *self, const collect_t *c)
{
	*self = (netstat_t){ .netstat = source_of (c->proc, "net/netstat", SOURCE_WHOLE),
		.snmp = source_of (c->proc, "net/snmp", SOURCE_WHOLE),
		.snmp6 = source_of (c->proc, "net/snmp6", SOURCE_WHOLE),
		.sockstat = source_of (c->proc, "net/sockstat", SOURCE_WHOLE),
		.sockstat6 = source_of (c->proc, "net/sockstat6", SOURCE_WHOLE),
		.conntrack = source_of (c->proc, "sys/net/netfilter/nf_conntrack_count", SOURCE_NUMBER),
		.conntrack_max = source_of (c->proc, "sys/net/netfilter/nf_conntrack_max", SOURCE_NUMBER),
		.conntrack_stat = source_of (c->proc, "net/stat/nf_conntrack", SOURCE_PIECES),
		.page_bytes = (double) sysconf (_SC_PAGESIZE) };
}

void netstat_close (netstat_t *self)
{
	source_t *sources[] = { &self->netstat, &self->snmp, &self->snmp6, &self->sockstat, &self->sockstat6,
		&self->conntrack, &self->conntrack_max, &self->conntrack_stat };
	names_t *names[] = { &self->netstat_names, &self->snmp_names, &self->snmp6_names,
		&self->sockstat_names, &self->sockstat6_names };
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
		source_close (sources[i]);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		names_free (names[i]);
}

/* node_exporter's default list of fields; a '*' at the end of a key stands for any rest. */
static const struct {
	const char *groups; /* "" for all */
	const char *key;
} wanted[] = {
	{ "", "InErrors" },
	{ "", "InErrs" },
	{ "Ip ", "Forwarding" },
	{ "Ip6 IpExt ", "InOctets" },
	{ "Ip6 IpExt ", "OutOctets" },
	{ "Icmp Icmp6 ", "InMsgs" },
	{ "Icmp Icmp6 ", "OutMsgs" },
	{ "TcpExt ", "Listen*" },
	{ "TcpExt ", "Syncookies*" },
	{ "TcpExt ", "TCPSynRetrans" },
	{ "TcpExt ", "TCPTimeouts" },
	{ "Tcp ", "ActiveOpens" },
	{ "Tcp ", "InSegs" },
	{ "Tcp ", "OutSegs" },
	{ "Tcp ", "OutRsts" },
	{ "Tcp ", "PassiveOpens" },
	{ "Tcp ", "RetransSegs" },
	{ "Tcp ", "CurrEstab" },
	{ "Udp Udp6 ", "InDatagrams" },
	{ "Udp Udp6 ", "OutDatagrams" },
	{ "Udp Udp6 ", "NoPorts" },
	{ "Udp Udp6 ", "RcvbufErrors" },
	{ "Udp Udp6 ", "SndbufErrors" },
};

static bool key_fits (const char *pattern, const char *key)
{
	size_t size = strlen (pattern);
	if (pattern[size - 1] == '*')
		return strncmp (pattern, key, size - 1) == 0;
	return strcmp (pattern, key) == 0;
}

static bool protocol_define (const char *group, const char *key, name_t *ret)
{
	char word[NAME_TEXT_MAX];
	snprintf (word, sizeof word, "%s ", group);
	size_t size = strlen (word);
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		bool in = !*wanted[i].groups;
		for (const char *at = wanted[i].groups; !in && *at; at = strchr (at, ' ') + 1)
			in = strncmp (at, word, size) == 0;
		if (!in || !key_fits (wanted[i].key, key))
			continue;
		name_join (ret, "node_netstat_", group, key, "");
		bool state = strcmp (key, "CurrEstab") == 0 || strcmp (key, "Forwarding") == 0;
		ret->def.kind = state ? SAMPLE_GAUGE : SAMPLE_COUNTER;
		return true;
	}
	return false;
}

/* Pairs of lines: "Tcp: RtoAlgorithm RtoMin ..." and "Tcp: 1 200 ...". */
static void pairs_collect (collect_t *c, source_t *source, names_t *names)
{
	if (!source_read (source, &c->text))
		return;
	names_begin (names);
	char *text = c->text.data, *keys, *values;
	while ((keys = scan_line (&text)) && (values = scan_line (&text))) {
		char *group = scan_word (&keys), *again = scan_word (&values);
		if (!group || !again || strcmp (group, again) != 0)
			return;
		size_t size = strlen (group);
		if (group[size - 1] == ':')
			group[size - 1] = '\0';
		char *key, *word;
		while ((key = scan_word (&keys)) && (word = scan_word (&values))) {
			uint64_t value;
			const series_def_t *def = names_find (names, group, key, protocol_define);
			if (def && scan_u64 (&word, &value))
				collect_put (c, def, (double) value);
		}
	}
}

/* "Ip6InReceives 37": the protocol goes up to the 6. */
static void snmp6_collect (netstat_t *self, collect_t *c)
{
	if (!source_read (&self->snmp6, &c->text))
		return;
	names_begin (&self->snmp6_names);
	for (char *text = c->text.data, *line; (line = scan_line (&text));) {
		char *word = scan_word (&line), *six = word ? strchr (word, '6') : NULL, group[16];
		uint64_t value;
		if (!six || six - word + 1 >= (ptrdiff_t) sizeof group || !six[1])
			continue;
		size_t size = (size_t) (six - word) + 1;
		memcpy (group, word, size);
		group[size] = '\0';
		const series_def_t *def = names_find (&self->snmp6_names, group, six + 1, protocol_define);
		if (def && scan_u64 (&line, &value))
			collect_put (c, def, (double) value);
	}
}

/* key "mem_bytes" stands for mem in pages as bytes. */
static bool sockstat_define (const char *group, const char *key, name_t *ret)
{
	name_join (ret, "node_sockstat_", group, key, "");
	ret->def.unit = strcmp (key, "mem_bytes") == 0 ? "bytes" : "";
	return true;
}

/* "TCP: inuse 4 orphan 0 tw 0 alloc 4 mem 169"; mem is in pages. */
static void sockstat_collect (netstat_t *self, collect_t *c, source_t *source, names_t *names)
{
	if (!source_read (source, &c->text))
		return;
	names_begin (names);
	for (char *text = c->text.data, *line; (line = scan_line (&text));) {
		char *group = line, *colon = strchr (line, ':'), *key;
		uint64_t value;
		if (!colon)
			continue;
		*colon = '\0';
		line = colon + 1;
		while ((key = scan_word (&line)) && scan_u64 (&line, &value)) {
			const series_def_t *def = names_find (names, group, key, sockstat_define);
			if (def)
				collect_put (c, def, (double) value);
			if (strcmp (key, "mem") != 0)
				continue;
			def = names_find (names, group, "mem_bytes", sockstat_define);
			if (def)
				collect_put (c, def, (double) value * self->page_bytes);
		}
	}
}

/* A line of headings, then one of hexadecimal figures a processor: the sums are said. */
static void conntrack_collect (netstat_t *self, collect_t *c)
{
	static const series_def_t entries = GAUGE ("node_nf_conntrack_entries", ""),
	                          limit = GAUGE ("node_nf_conntrack_entries_limit", "");
	static const struct {
		const char *key;
		series_def_t def;
	} figures[] = {
		{ "found", GAUGE ("node_nf_conntrack_stat_found", "") },
		{ "invalid", GAUGE ("node_nf_conntrack_stat_invalid", "") },
		{ "ignore", GAUGE ("node_nf_conntrack_stat_ignore", "") },
		{ "insert", GAUGE ("node_nf_conntrack_stat_insert", "") },
		{ "insert_failed", GAUGE ("node_nf_conntrack_stat_insert_failed", "") },
		{ "drop", GAUGE ("node_nf_conntrack_stat_drop", "") },
		{ "early_drop", GAUGE ("node_nf_conntrack_stat_early_drop", "") },
		{ "search_restart", GAUGE ("node_nf_conntrack_stat_search_restart", "") },
	};
	enum { FIGURES = sizeof figures / sizeof figures[0], WIDTH = 32 };
	collect_number (c, &self->conntrack, &entries);
	collect_number (c, &self->conntrack_max, &limit);
	if (!source_read (&self->conntrack_stat, &c->text))
		return;
	char *text = c->text.data, *line = scan_line (&text), *word;
	size_t figure_of[WIDTH], n = 0;
	for (; n < WIDTH && line && (word = scan_word (&line)); n++) {
		figure_of[n] = FIGURES;
		for (size_t i = 0; i < FIGURES; i++) {
			if (strcmp (figures[i].key, word) == 0)
				figure_of[n] = i;
		}
	}
	uint64_t sums[FIGURES + 1] = { 0 }, value;
	while ((line = scan_line (&text))) {
		for (size_t i = 0; i < n && scan_hex (&line, &value); i++)
			sums[figure_of[i]] += value;
	}
	for (size_t i = 0; i < FIGURES; i++)
		collect_put (c, &figures[i].def, (double) sums[i]);
}

void netstat_collect (netstat_t *self, collect_t *c)
{
	pairs_collect (c, &self->netstat, &self->netstat_names);
	pairs_collect (c, &self->snmp, &self->snmp_names);
	snmp6_collect (self, c);
	sockstat_collect (self, c, &self->sockstat, &self->sockstat_names);
	sockstat_collect (self, c, &self->sockstat6, &self->sockstat6_names);
	conntrack_collect (self, c);
}
