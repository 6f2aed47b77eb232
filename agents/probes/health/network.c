#include "agents/probes/health/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* /proc/net/dev's columns after the colon. */
static const series_def_t columns[] = {
	COUNTER ("node_network_receive_bytes_total", "bytes"),
	COUNTER ("node_network_receive_packets_total", ""),
	COUNTER ("node_network_receive_errs_total", ""),
	COUNTER ("node_network_receive_drop_total", ""),
	COUNTER ("node_network_receive_fifo_total", ""),
	COUNTER ("node_network_receive_frame_total", ""),
	COUNTER ("node_network_receive_compressed_total", ""),
	COUNTER ("node_network_receive_multicast_total", ""),
	COUNTER ("node_network_transmit_bytes_total", "bytes"),
	COUNTER ("node_network_transmit_packets_total", ""),
	COUNTER ("node_network_transmit_errs_total", ""),
	COUNTER ("node_network_transmit_drop_total", ""),
	COUNTER ("node_network_transmit_fifo_total", ""),
	COUNTER ("node_network_transmit_colls_total", ""),
	COUNTER ("node_network_transmit_carrier_total", ""),
	COUNTER ("node_network_transmit_compressed_total", ""),
};

/* Files of /sys/class/net/DEVICE that hold a number. A speed in Mbit/s is 125,000 bytes a second. */
static const struct {
	const char *file;
	series_def_t def;
	double unit;
} numbers[] = {
	{ "addr_assign_type", GAUGE ("node_network_address_assign_type", ""), 1 },
	{ "carrier", GAUGE ("node_network_carrier", ""), 1 },
	{ "carrier_changes", COUNTER ("node_network_carrier_changes_total", ""), 1 },
	{ "carrier_down_count", COUNTER ("node_network_carrier_down_changes_total", ""), 1 },
	{ "carrier_up_count", COUNTER ("node_network_carrier_up_changes_total", ""), 1 },
	{ "dev_id", GAUGE ("node_network_device_id", ""), 1 },
	{ "dormant", GAUGE ("node_network_dormant", ""), 1 },
	{ "flags", GAUGE ("node_network_flags", ""), 1 },
	{ "ifindex", GAUGE ("node_network_iface_id", ""), 1 },
	{ "iflink", GAUGE ("node_network_iface_link", ""), 1 },
	{ "link_mode", GAUGE ("node_network_iface_link_mode", ""), 1 },
	{ "mtu", GAUGE ("node_network_mtu_bytes", "bytes"), 1 },
	{ "name_assign_type", GAUGE ("node_network_name_assign_type", ""), 1 },
	{ "netdev_group", GAUGE ("node_network_net_dev_group", ""), 1 },
	{ "type", GAUGE ("node_network_protocol_type", ""), 1 },
	{ "speed", GAUGE ("node_network_speed_bytes", "bytes"), 125000 },
	{ "statistics/rx_nohandler", COUNTER ("node_network_receive_nohandler_total", ""), 1 },
	{ "tx_queue_len", GAUGE ("node_network_transmit_queue_length", ""), 1 },
};
static const char *const words[] = { "address", "broadcast", "duplex", "ifalias", "operstate" };
static const series_def_t up = GAUGE ("node_network_up", ""), info = GAUGE ("node_network_info", "");

enum { NUMBERS = sizeof numbers / sizeof numbers[0], WORDS = sizeof words / sizeof words[0], OPERSTATE = 4 };
enum { NAME_MAX_BYTES = 32, WORD_MAX = 256, WIDTH = sizeof columns / sizeof columns[0] };

struct network_device {
	char name[NAME_MAX_BYTES];
	bool known; /* its files were read */
	bool there[NUMBERS];
	double values[NUMBERS];
	char words[WORDS][WORD_MAX];
};

void network_open (network_t *self, const collect_t *c)
{
	*self = (network_t){ .dev = source_of (c->proc, "net/dev", SOURCE_PIECES) };
}

void network_close (network_t *self)
{
	source_close (&self->dev);
	free (self->devices);
	self->devices = NULL;
	self->n = self->capacity = 0;
}

/* The device i is called name from now on; what is known of it moves there. False: no room. */
static bool device_note (network_t *self, size_t i, const char *name)
{
	if (i < self->n && strcmp (self->devices[i].name, name) == 0)
		return true;
	size_t size = strlen (name), k = i;
	if (i >= NETWORK_DEVICES_MAX || size == 0 || size >= NAME_MAX_BYTES || strchr (name, '/') ||
	        name[0] == '.')
		return false;
	while (k < self->n && strcmp (self->devices[k].name, name) != 0)
		k++;
	if (k == self->n) {
		if (self->n == self->capacity) {
			size_t capacity = self->capacity ? 2 * self->capacity : 4;
			network_device_t *devices = realloc (self->devices, capacity * sizeof *devices);
			if (!devices)
				return false;
			self->devices = devices;
			self->capacity = capacity;
		}
		memset (&self->devices[k], 0, sizeof self->devices[k]);
		memcpy (self->devices[k].name, name, size);
		self->n++;
	}
	if (k != i) {
		network_device_t other = self->devices[i];
		self->devices[i] = self->devices[k];
		self->devices[k] = other;
	}
	return true;
}

static void dev_collect (network_t *self, collect_t *c)
{
	size_t n = 0;
	if (source_read (&self->dev, &c->text)) {
		for (char *text = c->text.data, *line; (line = scan_line (&text));) {
			/* The two lines of headings have no colon. */
			char *colon = strchr (line, ':'), *name;
			if (!colon)
				continue;
			*colon = '\0';
			name = scan_word (&line);
			if (!name)
				continue;
			label_t label = { "device", name };
			uint64_t value;
			char *p = colon + 1;
			for (size_t i = 0; i < WIDTH && scan_u64 (&p, &value); i++)
				samples_put (c->samples, &columns[i], (double) value, &label, 1);
			if (device_note (self, n, name))
				n++;
		}
	}
	self->n = n;
}

/* "1500", "-1", "0x1003". */
static bool number_of (char *p, double *ret)
{
	uint64_t value;
	bool negative = scan_is (&p, "-");
	if (scan_is (&p, "0x") ? !scan_hex (&p, &value) : !scan_u64 (&p, &value))
		return false;
	*ret = negative ? -(double) value : (double) value;
	return true;
}

static void file_read (network_device_t *device, size_t file, collect_t *c)
{
	char path[NAME_MAX_BYTES + 64];
	bool number = file < NUMBERS;
	snprintf (path, sizeof path, "class/net/%s/%s", device->name,
	        number ? numbers[file].file : words[file - NUMBERS]);
	bool there = source_read_once (c->sys, path, &c->text);
	char *text = c->text.data;
	if (number)
		device->there[file] = there && number_of (text, &device->values[file]);
	else
		snprintf (device->words[file - NUMBERS], WORD_MAX, "%s", there ? scan_line (&text) : "");
}

static void files_read (network_t *self, collect_t *c)
{
	for (size_t i = 0; i < self->n; i++) {
		network_device_t *device = &self->devices[i];
		for (size_t file = 0; !device->known && file < NUMBERS + WORDS; file++)
			file_read (device, file, c);
		device->known = true;
	}
	for (size_t i = 0; i < NETWORK_FILES_A_CYCLE && self->n; i++) {
		if (self->turn_file == NUMBERS + WORDS) {
			self->turn_file = 0;
			self->turn_device++;
		}
		if (self->turn_device >= self->n)
			self->turn_device = 0;
		file_read (&self->devices[self->turn_device], self->turn_file++, c);
	}
}

static void device_put (const network_device_t *device, collect_t *c)
{
	label_t labels[WORDS + 1] = { { "device", device->name } };
	for (size_t i = 0; i < NUMBERS; i++) {
		if (device->there[i])
			samples_put (
			        c->samples, &numbers[i].def, device->values[i] * numbers[i].unit, labels, 1);
	}
	if (!device->words[OPERSTATE][0])
		return;
	samples_put (c->samples, &up, strcmp (device->words[OPERSTATE], "up") == 0, labels, 1);
	/* An empty label is one that is not there. */
	size_t n = 1;
	for (size_t i = 0; i < WORDS; i++) {
		if (device->words[i][0])
			labels[n++] = (label_t){ words[i], device->words[i] };
	}
	samples_put (c->samples, &info, 1, labels, n);
}

void network_collect (network_t *self, collect_t *c)
{
	dev_collect (self, c);
	files_read (self, c);
	for (size_t i = 0; i < self->n; i++)
		device_put (&self->devices[i], c);
}
