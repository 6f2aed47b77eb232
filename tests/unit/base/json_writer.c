#include "base/json_writer.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static buffer_t out;
static json_writer_t json;

static void begin (void)
{
	json = json_writer_on (&out);
}
static void end (void)
{
	buffer_free (&out);
}

TestSuite (json_writer, .init = begin, .fini = end);

static void expect (const char *wanted)
{
	cr_expect_str_eq (buffer_string (&out), wanted);
	buffer_reset (&out);
	begin ();
}

Test (json_writer, puts_commas_where_they_belong)
{
	json_write_begin_object (&json);
	json_write_key (&json, "a");
	json_write_begin_array (&json);
	json_write_u64 (&json, 1);
	json_write_begin_object (&json);
	json_write_end_object (&json);
	json_write_null (&json);
	json_write_begin_array (&json);
	json_write_end_array (&json);
	json_write_end_array (&json);
	json_write_key_bool (&json, "b", true);
	json_write_key_string (&json, "c", NULL);
	json_write_key_u64 (&json, "d", 0);
	json_write_end_object (&json);
	expect ("{\"a\":[1,{},null,[]],\"b\":true,\"c\":\"\",\"d\":0}");
}

Test (json_writer, escapes_what_json_and_terminals_mind)
{
	json_write_bytes (&json, span_of ("\0\b\f\n\r\t\"\\/\x1f\x7f", 11));
	expect ("\"\\ufffd\\b\\f\\n\\r\\t\\\"\\\\/\\u001f\\u007f\"");
	json_write_string (&json, "\xc2\x80\xc2\x9f\xc2\xa0\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa");
	expect ("\"\\u0080\\u009f\xc2\xa0\\u2028\\u2029\xe2\x80\xaa\"");
}

Test (json_writer, replaces_what_is_no_utf8)
{
	json_write_string (&json, "a\xff\xc3(\xed\xa0\x80z");
	expect ("\"a\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffdz\"");
	json_write_bytes (&json, span_of ("\xf0\x9f\x94", 3));
	expect ("\"\\ufffd\\ufffd\\ufffd\"");
	json_write_string (&json, "\xf0\x9f\x94\x94");
	expect ("\"\xf0\x9f\x94\x94\"");
}

Test (json_writer, keeps_integers_exact)
{
	json_write_u64 (&json, UINT64_C (1) << 53);
	expect ("9007199254740992");
	json_write_u64 (&json, (UINT64_C (1) << 53) + 1);
	expect ("\"9007199254740993\"");
	json_write_u64 (&json, UINT64_MAX);
	expect ("\"18446744073709551615\"");
	json_write_i64 (&json, -(INT64_C (1) << 53));
	expect ("-9007199254740992");
	json_write_i64 (&json, INT64_MIN);
	expect ("\"-9223372036854775808\"");
}

Test (json_writer, keeps_the_sign_of_zero)
{
	json_write_double (&json, -0.0);
	cr_assert_str_eq (buffer_string (&out), "-0.0");
}

Test (json_writer, writes_doubles_that_read_back)
{
	static const double values[] = { 0.1, 1.0 / 3, 1e-300, 1.7976931348623157e308, 5e-324, 123456789.125,
		-2.5 };
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		json_write_double (&json, values[i]);
		cr_expect_eq (strtod (buffer_string (&out), NULL), values[i], "%s", buffer_string (&out));
		buffer_reset (&out);
		begin ();
	}
	json_write_double (&json, 0.1);
	expect ("0.1");
	json_write_double (&json, NAN);
	expect ("null");
	json_write_double (&json, -INFINITY);
	expect ("null");
}

Test (json_writer, writes_hex_and_times)
{
	json_write_hex (&json, span_of ("\x00\xab", 2));
	expect ("\"00ab\"");
	json_write_time (&json, (wall_t){ INT64_C (1795489927123456789) });
	expect ("\"2026-11-24T03:12:07.123456789Z\"");
}
