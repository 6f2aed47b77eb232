#include "base/clock.h"

#include <criterion/criterion.h>

Test (duration, is_said_shortest_to_three_digits)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 999, "999ns" },
		{ 1500, "1.5us" },
		{ 999400, "999us" },
		{ 999600, "1ms" },
		{ 999700000, "1s" },
		{ 812 * NS_PER_MS, "812ms" },
		{ -1500 * NS_PER_MS, "-1.5s" },
		{ 15 * 60 * NS_PER_S, "15m" },
		{ 2500 * 86400 * NS_PER_S, "2500d" },
		{ INT64_MAX, "106752d" },
		{ INT64_MIN, "-106752d" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[DURATION_TEXT_MAX];
		cr_expect_str_eq (duration_format (cases[i].ns, text), cases[i].text);
	}
}

Test (duration, reads_what_it_says)
{
	static const int64_t values[] = { 0, 1, 1500, 812 * NS_PER_MS, -NS_PER_S, 90 * NS_PER_S,
		36 * 3600 * NS_PER_S };
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		char text[DURATION_TEXT_MAX];
		int64_t read = -1;
		cr_expect_eq (duration_parse (duration_format (values[i], text), &read), 0, "%s", text);
		cr_expect_eq (read, values[i], "%s", text);
	}
}
