#include "base/json_writer.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t EXACT_MAX = UINT64_C (1) << 53;

static void before_value (json_writer_t *self)
{
	if (self->comma)
		buffer_char (self->out, ',');
	self->comma = true;
}

void json_write_begin_object (json_writer_t *self)
{
	before_value (self);
	buffer_char (self->out, '{');
	self->comma = false;
}

void json_write_end_object (json_writer_t *self)
{
	buffer_char (self->out, '}');
	self->comma = true;
}

void json_write_begin_array (json_writer_t *self)
{
	before_value (self);
	buffer_char (self->out, '[');
	self->comma = false;
}

void json_write_end_array (json_writer_t *self)
{
	buffer_char (self->out, ']');
	self->comma = true;
}

/* The bytes from text that go out as they are. */
static size_t plain (const unsigned char *text, size_t size)
{
	size_t n = 0;
	while (n < size && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
		n++;
	return n;
}

static void escape_one (buffer_t *out, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *known = c ? strchr (from, c) : NULL;
	if (known)
		buffer_printf (out, "\\%c", to[known - from]);
	else if (c == 0)
		buffer_text (out, "\\ufffd");
	else
		buffer_printf (out, "\\u%04x", c);
}

void json_write_bytes (json_writer_t *self, span_t text)
{
	before_value (self);
	buffer_char (self->out, '"');
	const unsigned char *at = text.data;
	for (size_t left = text.size; left;) {
		size_t n = plain (at, left);
		if (n) {
			buffer_append (self->out, at, n);
		} else if (*at < 0x80) {
			escape_one (self->out, *at);
			n = 1;
		} else {
			n = utf8_character ((const char *) at, left);
			if (n == 0) {
				buffer_text (self->out, "\\ufffd");
				n = 1;
			} else if (n == 2 && at[0] == 0xc2 && at[1] < 0xa0) {
				buffer_printf (self->out, "\\u%04x", at[1]); /* C1 controls */
			} else if (n == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8) {
				buffer_printf (self->out, "\\u20%02x", at[2] == 0xa8 ? 0x28 : 0x29);
			} else {
				buffer_append (self->out, at, n);
			}
		}
		at += n;
		left -= n;
	}
	buffer_char (self->out, '"');
}

void json_write_string (json_writer_t *self, const char *text)
{
	json_write_bytes (self, span_str (text ? text : ""));
}

void json_write_key (json_writer_t *self, const char *key)
{
	json_write_string (self, key);
	buffer_char (self->out, ':');
	self->comma = false;
}

void json_write_hex (json_writer_t *self, span_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = bytes.data;
	before_value (self);
	buffer_char (self->out, '"');
	for (size_t i = 0; i < bytes.size; i++) {
		const char pair[2] = { digits[at[i] >> 4], digits[at[i] & 15] };
		buffer_append (self->out, pair, 2);
	}
	buffer_char (self->out, '"');
}

static void put_word (json_writer_t *self, const char *word)
{
	before_value (self);
	buffer_text (self->out, word);
}

void json_write_bool (json_writer_t *self, bool value)
{
	put_word (self, value ? "true" : "false");
}

void json_write_null (json_writer_t *self)
{
	put_word (self, "null");
}

void json_write_u64 (json_writer_t *self, uint64_t value)
{
	before_value (self);
	buffer_printf (self->out, value > EXACT_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, value);
}

void json_write_i64 (json_writer_t *self, int64_t value)
{
	bool exact = value >= -(int64_t) EXACT_MAX && value <= (int64_t) EXACT_MAX;
	before_value (self);
	buffer_printf (self->out, exact ? "%" PRId64 : "\"%" PRId64 "\"", value);
}

void json_write_double (json_writer_t *self, double value)
{
	char text[32];
	if (!isfinite (value)) {
		json_write_null (self);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf (text, sizeof text, "%.*g", digits, value);
		if (strtod (text, NULL) == value)
			break;
	}
	/* -0 is an integer to readers that tell them apart, and an integer has no sign at zero. */
	put_word (self, value == 0 && signbit (value) ? "-0.0" : text);
}

void json_write_time (json_writer_t *self, wall_t at)
{
	char text[WALL_TEXT_MAX];
	json_write_string (self, wall_format_rfc3339 (at, text));
}

void json_write_key_string (json_writer_t *self, const char *key, const char *text)
{
	json_write_key (self, key);
	json_write_string (self, text);
}

void json_write_key_u64 (json_writer_t *self, const char *key, uint64_t value)
{
	json_write_key (self, key);
	json_write_u64 (self, value);
}

void json_write_key_bool (json_writer_t *self, const char *key, bool value)
{
	json_write_key (self, key);
	json_write_bool (self, value);
}
