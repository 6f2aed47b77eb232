/* The command line: what is taken, and what is said of what is not. */

#include "capture.h"

#include <errno.h>

#include "base/clock.h"
#include "belfry/v1/common.pb-c.h"
#include "cli/options.h"

typedef struct {
	bool flag, on;
	const char *text;
	uint64_t count;
	int64_t duration;
	Belfry__V1__Severity severity;
} values_t;

#define AT(member) offsetof (values_t, member)
static const option_t table[] = {
	{ "flag", NULL, "", OPTION_FLAG, AT (flag) },
	{ "no-on", NULL, "", OPTION_NO_FLAG, AT (on) },
	{ "text", "T", "", OPTION_TEXT, AT (text) },
	{ "count", "N", "", OPTION_COUNT, AT (count) },
	{ "for", "DUR", "", OPTION_DURATION, AT (duration) },
	{ "severity", "NAME", "", OPTION_SEVERITY, AT (severity) },
};

typedef struct {
	bool help;
} globals_t;
static const option_t global_table[] = { { "help", NULL, "", OPTION_FLAG, offsetof (globals_t, help) } };

static values_t values;
static globals_t globals;
static words_t words;
static char *room[32];
static err_t err;

static int parse (bool stop_at_word, int argc, char **argv)
{
	option_set_t sets[] = { { table, sizeof table / sizeof *table, &values },
		{ global_table, 1, &globals } };
	values = (values_t){ .on = true };
	globals = (globals_t){ 0 };
	words = (words_t){ room, 0 };
	err.text[0] = '\0';
	return options_parse (sets, 2, argc, argv, stop_at_word, &words, &err);
}
#define PARSE(stop, ...)                                                                 \
	parse (stop, (int) (sizeof ((const char *[]){ __VA_ARGS__ }) / sizeof (char *)), \
	        (char *[]){ __VA_ARGS__ })

static void expect_error (int r, const char *word)
{
	cr_assert_eq (r, -EINVAL);
	EXPECT_HAS (err.text, word);
}

Test (options, every_kind_in_both_forms_and_words_between)
{
	static char word[] = "word", dash[] = "-", flag[] = "--flag", text[] = "--text", value[] = "v",
	            count[] = "--count=7", duration[] = "--for", ns[] = "1.5s",
	            severity[] = "--severity=error", off[] = "--no-on", help[] = "-h", end[] = "--",
	            after[] = "--not-an-option";
	cr_assert_eq (PARSE (false, word, flag, text, value, count, duration, ns, severity, off, dash, help,
	                      end, after),
	        13);
	cr_assert (values.flag && !values.on && globals.help);
	cr_assert_str_eq (values.text, "v");
	cr_assert_eq (values.count, 7);
	cr_assert_eq (values.duration, 1500 * NS_PER_MS);
	cr_assert_eq (values.severity, BELFRY__V1__SEVERITY__SEVERITY_ERROR);
	cr_assert_eq (words.n, 3);
	cr_assert_str_eq (words.at[0], "word");
	cr_assert_str_eq (words.at[1], "-");
	cr_assert_str_eq (words.at[2], "--not-an-option");
}

Test (options, an_empty_value_and_one_with_an_equals_sign_are_values)
{
	static char empty[] = "--text=", equal[] = "--text=a=b";
	cr_assert_eq (PARSE (false, empty), 1);
	cr_assert_str_eq (values.text, "");
	cr_assert_eq (PARSE (false, equal), 1);
	cr_assert_str_eq (values.text, "a=b");
}

Test (options, before_a_command_the_first_word_ends_them)
{
	static char flag[] = "--flag", command[] = "tap", unknown[] = "--unknown";
	cr_assert_eq (PARSE (true, flag, command, unknown), 1);
	cr_assert (values.flag);
	cr_assert_eq (words.n, 0);
}

Test (options, what_is_unknown_is_named_with_the_nearest)
{
	static char near[] = "--cuont=3", far[] = "--xyzzy", single[] = "-x";
	expect_error (PARSE (false, near), "'--cuont': did you mean '--count'?");
	expect_error (PARSE (false, far), "unknown option '--xyzzy'; see --help");
	expect_error (PARSE (false, single), "two dashes");
	char long_[200];
	memset (long_, 'x', sizeof long_);
	memcpy (long_, "--", 2);
	long_[sizeof long_ - 1] = '\0';
	expect_error (PARSE (false, long_), "unknown option");
}

Test (options, values_are_held_to_their_kind)
{
	static char none[] = "--text", flag[] = "--flag=1", zero[] = "--count=0", minus[] = "--count=-1",
	            words_[] = "--count=many", huge[] = "--count=99999999999999999999", never[] = "--for=0",
	            unit[] = "--for=5", back[] = "--for=-1s", severity[] = "--severity=loud",
	            unsaid[] = "--severity=unspecified";
	expect_error (PARSE (false, none), "--text needs a value: --text T");
	expect_error (PARSE (false, flag), "takes no value");
	expect_error (PARSE (false, zero), "at least 1");
	expect_error (PARSE (false, minus), "whole number");
	expect_error (PARSE (false, words_), "whole number");
	expect_error (PARSE (false, huge), "whole number");
	expect_error (PARSE (false, never), "500ms");
	expect_error (PARSE (false, unit), "500ms");
	expect_error (PARSE (false, back), "500ms");
	expect_error (PARSE (false, severity), "debug, info");
	expect_error (PARSE (false, unsaid), "debug, info");
}
