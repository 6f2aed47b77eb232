#include "wire/fields_value.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad (const field_plan_t *plan, const char *text, const char *wanted, err_t *err)
{
	return error_set (err, -EINVAL, "%s='%.64s' is no %s", plan->field->name, text, wanted);
}

static bool digits (const char *text)
{
	return *text && text[strspn (text, "0123456789")] == '\0';
}

/* The whole text as an unsigned integer. */
static bool read_u64 (const char *text, uint64_t *ret)
{
	if (!digits (text))
		return false;
	errno = 0;
	unsigned long long value = strtoull (text, NULL, 10);
	if (errno)
		return false;
	*ret = value;
	return true;
}

static bool read_i64 (const char *text, int64_t *ret)
{
	if (!digits (text + (*text == '-' || *text == '+')))
		return false;
	errno = 0;
	long long value = strtoll (text, NULL, 10);
	if (errno)
		return false;
	*ret = value;
	return true;
}

static bool read_double (const char *text, double *ret, const char **ret_rest)
{
	char *end;
	if (strspn (text, " \t\r\n\v\f") || strpbrk (text, "xX"))
		return false;
	double value = strtod (text, &end);
	if (end == text)
		return false;
	*ret = value;
	*ret_rest = end;
	return true;
}

/* Days from 1970-01-01 to the civil date (Howard Hinnant, "chrono-compatible low-level date
 * algorithms"). */
static int64_t days_from_civil (int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Exactly n digits. */
static bool read_part (const char **text, int n, int *ret)
{
	int value = 0;
	for (int i = 0; i < n; i++, ++*text) {
		if (**text < '0' || **text > '9')
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret = value;
	return true;
}

static bool skip (const char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

/* RFC 3339 from 1970 to 2261, with Z or an offset, at most nanoseconds. */
static bool read_time (const char *text, uint64_t *ret)
{
	static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day, hour, minute, second;
	if (!read_part (&text, 4, &year) || !skip (&text, '-') || !read_part (&text, 2, &month) ||
	        !skip (&text, '-') || !read_part (&text, 2, &day) ||
	        (*text != 'T' && *text != 't' && *text != ' '))
		return false;
	text++;
	if (!read_part (&text, 2, &hour) || !skip (&text, ':') || !read_part (&text, 2, &minute) ||
	        !skip (&text, ':') || !read_part (&text, 2, &second))
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
	        (month == 2 && day == 29 && !leap) || hour > 23 || minute > 59 || second > 59)
		return false;
	int64_t fraction = 0, scale = NS_PER_S;
	if (skip (&text, '.')) {
		if (*text < '0' || *text > '9')
			return false;
		for (; *text >= '0' && *text <= '9'; text++) {
			scale /= 10;
			fraction += (*text - '0') * scale;
		}
	}
	int64_t offset = 0;
	if (*text == '+' || *text == '-') {
		int sign = *text++ == '-' ? -1 : 1, h, m;
		if (!read_part (&text, 2, &h) || !skip (&text, ':') || !read_part (&text, 2, &m) || h > 23 ||
		        m > 59)
			return false;
		offset = sign * (h * 60 + m) * 60;
	} else if (!skip (&text, 'Z') && !skip (&text, 'z')) {
		return false;
	}
	int64_t seconds =
	        days_from_civil (year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	if (*text || seconds < 0)
		return false;
	*ret = (uint64_t) (seconds * NS_PER_S + fraction);
	return true;
}

static bool read_size (const char *text, uint64_t *ret)
{
	static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value;
	const char *unit;
	if (read_u64 (text, ret))
		return true;
	if (!read_double (text, &value, &unit) || !(value >= 0))
		return false;
	for (size_t i = 1; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp (unit, units[i]) == 0) {
			value *= (double) (UINT64_C (1) << (10 * i));
			if (value >= 18446744073709551616.0)
				return false;
			*ret = (uint64_t) value;
			return true;
		}
	}
	return false;
}

static int read_unsigned (const field_plan_t *plan, const char *text, uint64_t *ret, err_t *err)
{
	int64_t ns;
	switch (plan->unit) {
	case UNIT_TIME:
		if (read_u64 (text, ret) || read_time (text, ret))
			return 0;
		return bad (plan, text, "time: 2026-11-24T03:12:07Z, or nanoseconds since 1970", err);
	case UNIT_DURATION:
		if (read_u64 (text, ret))
			return 0;
		if (duration_parse (text, &ns) == 0 && ns >= 0) {
			*ret = (uint64_t) ns;
			return 0;
		}
		return bad (plan, text, "duration: 12ms, 1.5s, 15m, 4h, or nanoseconds", err);
	case UNIT_BYTES:
		if (read_size (text, ret))
			return 0;
		return bad (plan, text, "size: 4096, 4KiB, 1.5GiB", err);
	default:
		if (read_u64 (text, ret))
			return 0;
		return bad (plan, text, "whole number from 0 to 18446744073709551615", err);
	}
}

static int read_float (const field_plan_t *plan, const char *text, double *ret, err_t *err)
{
	const char *rest;
	if (read_double (text, ret, &rest)) {
		if (*rest == '\0')
			return 0;
		if (plan->unit == UNIT_RATIO && strcmp (rest, "%") == 0) {
			*ret /= 100;
			return 0;
		}
	}
	return bad (plan, text, plan->unit == UNIT_RATIO ? "ratio: 0..1, or 52%" : "number", err);
}

static int read_enum (const field_plan_t *plan, const char *text, int *ret, err_t *err)
{
	const ProtobufCEnumDescriptor *values = plan->field->descriptor;
	if (enum_parse (values, span_str (text), ret) == 0)
		return 0;
	buffer_t names = BUFFER_INIT;
	char name[ENUM_TEXT_MAX];
	for (unsigned i = 1; i < values->n_values; i++)
		buffer_printf (
		        &names, "%s%s", i > 1 ? ", " : "", enum_text (values, values->values[i].value, name));
	int r = error_set (
	        err, -EINVAL, "%s='%.64s' is none of %s", plan->field->name, text, buffer_string (&names));
	buffer_free (&names);
	return r;
}

static int read_bool (const field_plan_t *plan, const char *text, protobuf_c_boolean *ret, err_t *err)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp (text, words[i]) == 0) {
			*ret = i % 2;
			return 0;
		}
	}
	return bad (plan, text, "true or false", err);
}

static int nibble (char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

static int read_hex (
        const field_plan_t *plan, arena_t *arena, const char *text, ProtobufCBinaryData *ret, err_t *err)
{
	size_t size = strlen (text);
	if (size % 2)
		return bad (plan, text, "hex: two digits a byte", err);
	uint8_t *data = arena_alloc (arena, size / 2);
	if (!data)
		return error_set (err, -ENOMEM, "the message is too large for its bound");
	for (size_t i = 0; i < size; i += 2) {
		int high = nibble (text[i]), low = nibble (text[i + 1]);
		if (high < 0 || low < 0)
			return bad (plan, text, "hex: two digits a byte", err);
		data[i / 2] = (uint8_t) (high << 4 | low);
	}
	ret->data = data;
	ret->len = size / 2;
	return 0;
}

static int read_string (const field_plan_t *plan, arena_t *arena, const char *text, char **ret, err_t *err)
{
	size_t size = strlen (text);
	if (size > plan->size_max)
		return error_set (err, -EINVAL, "%s is longer than %u bytes", plan->field->name,
		        (unsigned) plan->size_max);
	if (!utf8_valid (text, size))
		return error_set (err, -EINVAL, "%s is not valid UTF-8", plan->field->name);
	char *copy = arena_copy (arena, span_of (text, size));
	if (!copy)
		return error_set (err, -ENOMEM, "the message is too large for its bound");
	*ret = copy;
	return 0;
}

int fields_value_read (const field_plan_t *plan, arena_t *arena, const char *text, void *ret, err_t *err)
{
	uint64_t u;
	int64_t i;
	double d;
	int r;
	switch (plan->field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return read_string (plan, arena, text, ret, err);
	case PROTOBUF_C_TYPE_BYTES:
		return read_hex (plan, arena, text, ret, err);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum (plan, text, ret, err);
	case PROTOBUF_C_TYPE_BOOL:
		return read_bool (plan, text, ret, err);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return read_unsigned (plan, text, ret, err);
	case PROTOBUF_C_TYPE_DOUBLE:
		return read_float (plan, text, ret, err);
	case PROTOBUF_C_TYPE_FLOAT:
		r = read_float (plan, text, &d, err);
		if (!r)
			*(float *) ret = (float) d;
		return r;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		if (!read_u64 (text, &u) || u > UINT32_MAX)
			return bad (plan, text, "whole number from 0 to 4294967295", err);
		*(uint32_t *) ret = (uint32_t) u;
		return 0;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		if (!read_i64 (text, &i) || i > INT32_MAX || i < INT32_MIN)
			return bad (plan, text, "whole number from -2147483648 to 2147483647", err);
		*(int32_t *) ret = (int32_t) i;
		return 0;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		if (!read_i64 (text, ret))
			return bad (plan, text, "whole number of 64 bits", err);
		return 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return error_set (err, -EINVAL, "%s is a message, no value", plan->field->name);
}
