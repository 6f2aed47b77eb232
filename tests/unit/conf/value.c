#include "conf/value.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>

Test (value, bool_is_true_or_false)
{
	bool yes = false;
	err_t err;
	cr_assert_eq (value_bool ("true", &yes, &err), 0);
	cr_assert (yes);
	cr_assert_eq (value_bool ("false", &yes, &err), 0);
	cr_assert_not (yes);
	for (const char *const *bad = (const char *const[]){ "", "yes", "on", "1", "TRUE", "true ", NULL };
	        *bad; bad++)
		cr_assert_eq (value_bool (*bad, &yes, &err), -EINVAL, "%s", *bad);
	cr_assert_not_null (strstr (err.text, "neither true nor false"));
}

Test (value, unsigned_is_decimal_digits)
{
	uint64_t value = 7;
	cr_assert_eq (value_unsigned ("0", &value, NULL), 0);
	cr_assert_eq (value, 0);
	cr_assert_eq (value_unsigned ("18446744073709551615", &value, NULL), 0);
	cr_assert_eq (value, UINT64_MAX);
	cr_assert_eq (value_unsigned ("18446744073709551616", &value, NULL), -ERANGE);
	for (const char *const *bad = (const char *const[]){ "", "-1", "+1", "1.0", "0x10", "010", "1e3",
	             " 1", "1 ", "1_000", NULL };
	        *bad; bad++)
		cr_assert_eq (value_unsigned (*bad, &value, NULL), -EINVAL, "%s", *bad);
	cr_assert_eq (value, UINT64_MAX, "a refused value changes nothing");
}

Test (value, size_takes_binary_units)
{
	uint64_t value = 0;
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = { { "0", 0 }, { "12", 12 }, { "12B", 12 }, { "1KiB", 1024 }, { "3 MiB", 3 << 20 },
		{ "2GiB", UINT64_C (2) << 30 }, { "16777215TiB", UINT64_C (16777215) << 40 } };
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		cr_assert_eq (value_size (good[i].text, &value, NULL), 0, "%s", good[i].text);
		cr_assert_eq (value, good[i].value, "%s", good[i].text);
	}
	cr_assert_eq (value_size ("16777216TiB", &value, NULL), -ERANGE);
	cr_assert_eq (value_size ("99999999999999999999", &value, NULL), -ERANGE);
	for (const char *const *bad =
	                (const char *const[]){ "", "KiB", "1KB", "1M", "1kib", "-1", "1.5MiB", NULL };
	        *bad; bad++)
		cr_assert_eq (value_size (*bad, &value, NULL), -EINVAL, "%s", *bad);
}

Test (value, number_is_finite_and_decimal)
{
	double value = 0;
	cr_assert_eq (value_number ("-1.5e3", &value, NULL), 0);
	cr_assert_float_eq (value, -1500, 1e-9);
	cr_assert_eq (value_number (".5", &value, NULL), 0);
	cr_assert_eq (value_number ("1e999", &value, NULL), -ERANGE);
	for (const char *const *bad = (const char *const[]){ "", ".", "-", "nan", "inf", "0x10", "1,5", "1 ",
	             " 1", "--1", "e5", "1e", "1.2.3", NULL };
	        *bad; bad++)
		cr_assert_eq (value_number (*bad, &value, NULL), -EINVAL, "%s", *bad);
}

Test (value, ratio_is_a_fraction_or_a_percentage)
{
	double value = 0;
	cr_assert_eq (value_ratio ("0.95", &value, NULL), 0);
	cr_assert_float_eq (value, 0.95, 1e-12);
	cr_assert_eq (value_ratio ("95%", &value, NULL), 0);
	cr_assert_float_eq (value, 0.95, 1e-12);
	cr_assert_eq (value_ratio ("0", &value, NULL), 0);
	cr_assert_eq (value_ratio ("1", &value, NULL), 0);
	for (const char *const *bad = (const char *const[]){ "1.01", "-0.1", "101%", "95", "1e999", NULL };
	        *bad; bad++)
		cr_assert_eq (value_ratio (*bad, &value, NULL), -ERANGE, "%s", *bad);
	cr_assert_eq (value_ratio ("95 %", &value, NULL), -EINVAL);
	cr_assert_eq (value_ratio ("half", &value, NULL), -EINVAL);
}

Test (value, duration_needs_a_unit_and_is_not_negative)
{
	int64_t ns = 0;
	err_t err;
	cr_assert_eq (value_duration ("1.5s", &ns, &err), 0);
	cr_assert_eq (ns, 1500000000);
	cr_assert_eq (value_duration ("0", &ns, &err), 0);
	cr_assert_eq (value_duration ("5", &ns, &err), -EINVAL);
	cr_assert_not_null (strstr (err.text, "200ms"), "it shows what would be right");
	cr_assert_eq (value_duration ("-5s", &ns, &err), -ERANGE);
	cr_assert_eq (value_duration ("1000000w", &ns, &err), -ERANGE);
	cr_assert_eq (value_duration ("", &ns, &err), -EINVAL);
	cr_assert_eq (ns, 0);
}

Test (value, name_has_the_topics_grammar)
{
	cr_assert_eq (value_name ("n1", 4, NULL), 0);
	cr_assert_eq (value_name ("9._-", 4, NULL), 0);
	cr_assert_eq (value_name ("abcde", 4, NULL), -ERANGE);
	for (const char *const *bad =
	                (const char *const[]){ "", ".a", "-a", "_a", "a/b", "a b", "\xc3\xa4", "a\n", NULL };
	        *bad; bad++)
		cr_assert_eq (value_name (*bad, 4, NULL), -EINVAL, "%s", *bad);
}

Test (value, endpoint_is_split)
{
	endpoint_t e;
	cr_assert_eq (value_endpoint ("tcp://127.0.0.1:7701", 0, &e, NULL), 0);
	cr_assert_eq (e.kind, ENDPOINT_TCP);
	cr_assert_str_eq (e.host, "127.0.0.1");
	cr_assert_eq (e.port, 7701);
	cr_assert_eq (value_endpoint ("tcp://[::1]:1", 0, &e, NULL), 0);
	cr_assert_str_eq (e.host, "::1");
	cr_assert_eq (value_endpoint ("tcp://node-1.example_x:65535", 0, &e, NULL), 0);
	cr_assert_eq (e.port, 65535);
	cr_assert_eq (value_endpoint ("tcp://*:7701", ENDPOINT_BIND, &e, NULL), 0);
	cr_assert_eq (value_endpoint ("ipc:///run/x", ENDPOINT_LOCAL, &e, NULL), 0);
	cr_assert_eq (e.kind, ENDPOINT_IPC);
	cr_assert_str_eq (e.host, "/run/x");
	cr_assert_eq (value_endpoint ("inproc://x", ENDPOINT_LOCAL, &e, NULL), 0);
	cr_assert_eq (e.kind, ENDPOINT_INPROC);
}

static const char *const bad_endpoints[] = { "", "tcp://", "127.0.0.1:7701", "udp://127.0.0.1:1", "TCP://a:1",
	"tcp://:7701", "tcp://a", "tcp://a:", "tcp://a:0", "tcp://a:65536", "tcp://a:99999999999999999999",
	"tcp://a:-1", "tcp://a:1x", "tcp://a:*", "tcp://*:7701", "tcp://::1:7701", "tcp://[::1]",
	"tcp://[]:1", "tcp://[::1:1", "tcp://[127.0.0.1]:1", "tcp://127.0.0.256:1", "tcp://1.2.3:1",
	"tcp://a..b:1", "tcp://.a:1", "tcp://a.:1", "tcp://a b:1", "tcp://a;b:1", "ipc:///run/x",
	"inproc://x" };

Test (value, what_is_no_endpoint_is_refused_and_shown_how)
{
	for (size_t i = 0; i < sizeof bad_endpoints / sizeof bad_endpoints[0]; i++) {
		endpoint_t e = { .port = 42 };
		err_t err;
		cr_assert_lt (value_endpoint (bad_endpoints[i], 0, &e, &err), 0, "%s", bad_endpoints[i]);
		cr_assert_not_null (strstr (err.text, "tcp://HOST:PORT"), "%s", err.text);
		cr_assert_eq (e.port, 42);
	}
}

Test (value, a_local_endpoint_has_a_bounded_name)
{
	endpoint_t e;
	char text[300] = "ipc://";
	cr_assert_lt (value_endpoint (text, ENDPOINT_LOCAL, &e, NULL), 0);
	memset (text + 6, 'a', ENDPOINT_PATH_MAX + 1);
	cr_assert_lt (value_endpoint (text, ENDPOINT_LOCAL, &e, NULL), 0);
	text[6 + ENDPOINT_PATH_MAX] = '\0';
	cr_assert_eq (value_endpoint (text, ENDPOINT_LOCAL, &e, NULL), 0);
}

Test (value, a_host_has_a_bounded_length)
{
	endpoint_t e;
	char text[400] = "";
	for (int i = 0; i < 150; i++)
		strcat (text, "a.");
	strcat (text, "b:1");
	cr_assert_lt (value_host_port (text, 0, &e, NULL), 0);
	strcpy (text, "");
	for (int i = 0; i < 64; i++)
		strcat (text, "a");
	strcat (text, ":1");
	cr_assert_lt (value_host_port (text, 0, &e, NULL), 0, "a label has at most 63 characters");
	cr_assert_eq (value_host_port (text + 1, 0, &e, NULL), 0);
}

Test (value, loopback_is_what_only_this_machine_reaches)
{
	static const char *const inside[] = { "tcp://127.0.0.1:1", "tcp://127.9.9.9:1", "tcp://[::1]:1",
		"tcp://localhost:1", "ipc://x", "inproc://x" };
	static const char *const outside[] = { "tcp://0.0.0.0:1", "tcp://*:1", "tcp://10.0.0.1:1",
		"tcp://[::]:1", "tcp://localhost.example:1", "tcp://[::ffff:127.0.0.1]:1", "tcp://node1:1" };
	endpoint_t e;
	for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
		cr_assert_eq (value_endpoint (inside[i], ENDPOINT_LOCAL, &e, NULL), 0);
		cr_assert (endpoint_is_loopback (&e), "%s", inside[i]);
	}
	for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
		cr_assert_eq (value_endpoint (outside[i], ENDPOINT_BIND, &e, NULL), 0, "%s", outside[i]);
		cr_assert_not (endpoint_is_loopback (&e), "%s", outside[i]);
	}
}
