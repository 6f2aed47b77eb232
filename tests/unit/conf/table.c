#include "conf/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "conf/option.h"
#include "tests/unit/conf/said.h"

typedef struct {
	char *name, *endpoint;
} item_t;

typedef struct {
	bool on;
	uint64_t count;
} inner_t;

typedef struct {
	char *text, *path, *name, *endpoint, *address;
	bool flag;
	uint64_t number, bytes;
	int64_t wait_ns;
	double value, ratio;
	int word;
	conf_strings_t strings, names;
	conf_numbers_t numbers;
	conf_pairs_t pairs;
	inner_t inner;
	CONF_LIST_OF (item_t) items;
} all_t;

static const conf_word_t words[] = { { "low", 1 }, { "high", 2 }, { NULL, 0 } };

static void all_check (conf_fill_t *fill, void *object, const conf_node_t *node)
{
	const all_t *self = object;
	if (self->number == 13)
		conf_wrong (fill, node, "number", "%s", "unlucky");
	if (self->bytes == 13)
		conf_wrong_at (fill, 77, "else.where", "%s", "unlucky");
	if (self->wait_ns == 13)
		conf_wrong (fill, node, NULL, "%s", "unlucky as a whole");
}

TABLE (item)
OPTION (item_t, name, "name", NAME, CONF_REQUIRED, "1..8", NULL, "", "its name")
OPTION (item_t, endpoint, "endpoint", ENDPOINT, 0, "", NULL, "", "its endpoint")
TABLE_END (item, item_t, "An item.", NULL)

TABLE (inner)
OPTION (inner_t, on, "on", BOOL, CONF_RELOAD, "", "true", "", "on or off")
OPTION (inner_t, count, "count", UNSIGNED, 0, "1..", "3", "things", "how many")
TABLE_END (inner, inner_t, "Inside.", NULL)

TABLE (all)
OPTION (all_t, text, "text", STRING, 0, "..20", "a default", "", "some text")
OPTION (all_t, path, "path", PATH, CONF_REQUIRED, "", NULL, "", "a path")
OPTION (all_t, name, "name", NAME, 0, "1..4", NULL, "", "a name")
OPTION (all_t, endpoint, "endpoint", ENDPOINT, CONF_LOCAL, "", NULL, "", "an endpoint")
OPTION (all_t, address, "address", HOST_PORT, CONF_BIND, "", NULL, "", "an address")
OPTION (all_t, flag, "flag", BOOL, 0, "", "false", "", "a flag")
OPTION (all_t, number, "number", UNSIGNED, CONF_RELOAD, "2..20", "7", "apples", "a number")
OPTION (all_t, bytes, "bytes", SIZE, 0, "..1MiB", "4KiB", "", "a size")
OPTION (all_t, wait_ns, "wait", DURATION, 0, "10ns..1s", "20ms", "", "a duration")
OPTION (all_t, value, "value", NUMBER, 0, "-1..1", NULL, "", "a value")
OPTION (all_t, ratio, "ratio", RATIO, 0, "0.5..1", "0.5", "", "a ratio")
OPTION_WORD (all_t, word, "word", 0, words, "low", "a word")
OPTION (all_t, strings, "strings", STRINGS, CONF_UNIQUE, "..3", NULL, "", "some strings")
OPTION (all_t, names, "names", NAMES, 0, "", NULL, "", "some names")
OPTION (all_t, numbers, "numbers", NUMBERS, 0, "..100", NULL, "", "some numbers")
OPTION (all_t, pairs, "pairs", PAIRS, 0, "..2", NULL, "", "some pairs")
OPTION_OBJECT (all_t, inner, "inner", 0, inner_t, inner_table, "inside")
OPTION_LIST (all_t, items, "items", 0, "..4", item_t, item_table, "name endpoint", "some items")
OPTION_UNSUPPORTED ("later", "what is to come")
TABLE_END (all, all_t, "All types.", all_check)

static int parse (const char *text, all_t **ret, conf_errors_t *errors)
{
	void *made = NULL;
	int r = conf_object_parse (&all_table, text, strlen (text), "f.yaml", &made, errors);
	*ret = made;
	return r;
}

static all_t *parsed (const char *text)
{
	all_t *all = NULL;
	conf_errors_t errors = { 0 };
	int r = parse (text, &all, &errors);
	assert_quiet (&errors);
	cr_assert_eq (r, 0);
	return all;
}

static void destroy (all_t *all)
{
	void *self = all;
	conf_object_destroy (&all_table, &self);
	cr_assert_null (self);
	conf_object_destroy (&all_table, &self);
}

static void refused (const char *text, const char *a, const char *b, const char *c)
{
	all_t *all = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse (text, &all, &errors), -EINVAL, "%s", text);
	cr_assert_null (all);
	assert_says (&errors, a, b, c);
	conf_errors_clear (&errors);
}

Test (table, defaults_are_in_force_when_nothing_is_said)
{
	all_t *all = parsed ("path: x\n");
	cr_assert_str_eq (all->text, "a default");
	cr_assert_str_eq (all->path, "x");
	cr_assert_null (all->name);
	cr_assert_null (all->endpoint);
	cr_assert_not (all->flag);
	cr_assert_eq (all->number, 7);
	cr_assert_eq (all->bytes, 4096);
	cr_assert_eq (all->wait_ns, 20000000);
	cr_assert (isnan (all->value));
	cr_assert_float_eq (all->ratio, 0.5, 1e-9);
	cr_assert_eq (all->word, 1);
	cr_assert_eq (all->strings.n + all->names.n + all->numbers.n + all->pairs.n + all->items.n, 0);
	cr_assert (all->inner.on);
	cr_assert_eq (all->inner.count, 3);
	destroy (all);
}

Test (table, every_type_is_read)
{
	all_t *all =
	        parsed ("text: ''\npath: /a/b\nname: n-1\nendpoint: ipc:///x\naddress: '*:80'\nflag: true\n"
	                "number: 20\nbytes: 1MiB\nwait: 1s\nvalue: -1\nratio: 75%\nword: high\n"
	                "strings: [a, b]\nnames: [n1, n2]\nnumbers: [0, 100]\npairs: {k: v, 'a b': '1'}\n"
	                "inner: {on: false}\nitems:\n  - name: a\n    endpoint: tcp://h:1\n  - {name: "
	                "b}\nlater: []\n");
	cr_assert_str_eq (all->text, "");
	cr_assert_str_eq (all->name, "n-1");
	cr_assert_str_eq (all->endpoint, "ipc:///x");
	cr_assert_str_eq (all->address, "*:80");
	cr_assert (all->flag);
	cr_assert_eq (all->number, 20);
	cr_assert_eq (all->bytes, 1 << 20);
	cr_assert_eq (all->wait_ns, 1000000000);
	cr_assert_float_eq (all->value, -1, 1e-9);
	cr_assert_float_eq (all->ratio, 0.75, 1e-9);
	cr_assert_eq (all->word, 2);
	cr_assert_eq (all->strings.n, 2);
	cr_assert_str_eq (all->strings.items[1], "b");
	cr_assert_str_eq (all->names.items[0], "n1");
	cr_assert_eq (all->numbers.items[1], 100);
	cr_assert_str_eq (all->pairs.items[1].key, "a b");
	cr_assert_str_eq (all->pairs.items[1].value, "1");
	cr_assert_not (all->inner.on);
	cr_assert_eq (all->inner.count, 3, "an absent key keeps its default");
	cr_assert_eq (all->items.n, 2);
	cr_assert_str_eq (all->items.items[0].endpoint, "tcp://h:1");
	cr_assert_null (all->items.items[1].endpoint);
	destroy (all);
}

Test (table, an_unknown_key_names_the_nearest)
{
	refused ("path: x\nnubmer: 3\n", "f.yaml:2: key 'nubmer': unknown", "did you mean 'number'?", NULL);
	refused ("path: x\ninner:\n  cuont: 3\n", "f.yaml:3: key 'inner.cuont': unknown", "'count'", NULL);
	refused ("path: x\nitems: [{name: a, endpont: x}]\n", "f.yaml:2: key 'items[0].endpont'",
	        "'endpoint'", NULL);
}

Test (table, a_key_of_another_place_names_that_place)
{
	refused ("path: x\ncount: 3\n", "f.yaml:2: key 'count': unknown here", "belongs under 'inner'", NULL);
}

Test (table, an_unknown_key_that_is_near_to_none_lists_them)
{
	refused ("path: x\ninner: {zzzzzz: 3}\n", "key 'inner.zzzzzz': unknown",
	        "the keys here are on, count", NULL);
	refused ("path: x\n\"a\\nb\": 3\n", "key 'a?b': unknown", NULL, NULL);
}

Test (table, a_missing_key_says_what_it_is)
{
	refused ("number: 3\n", "f.yaml:1: key 'path': missing", "a path", NULL);
	refused ("", "f.yaml:1: key 'path': missing", NULL, NULL);
	refused ("path: x\nitems:\n  - endpoint: tcp://h:1\n", "f.yaml:3: key 'items[0].name': missing",
	        "its name", NULL);
	refused ("path: x\nitems:\n  -\n", "f.yaml:3: key 'items[0].name': missing", NULL, NULL);
}

Test (table, a_mistyped_key_is_not_missing_too)
{
	all_t *all = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse ("pathh: x\n", &all, &errors), -EINVAL);
	cr_assert_eq (errors.n, 1, "%s", said_all (&errors));
	assert_says (&errors, "did you mean 'path'?", NULL, NULL);
	conf_errors_clear (&errors);
}

Test (table, ranges_are_kept_at_both_ends)
{
	refused ("path: x\nnumber: 1\n", "f.yaml:2: key 'number'", "'1' is not within 2..20", NULL);
	refused ("path: x\nnumber: 21\n", "'21' is not within 2..20", NULL, NULL);
	refused ("path: x\nbytes: 1025KiB\n", "'1025KiB' is not within ..1MiB", NULL, NULL);
	refused ("path: x\nwait: 9ns\n", "'9ns' is not within 10ns..1s", NULL, NULL);
	refused ("path: x\nwait: 1001ms\n", "'1001ms' is not within", NULL, NULL);
	refused ("path: x\nvalue: 1.01\n", "'1.01' is not within -1..1", NULL, NULL);
	refused ("path: x\nratio: 49%\n", "'49%' is not within 0.5..1", NULL, NULL);
	refused ("path: x\nname: abcde\n", "at most 4", NULL, NULL);
	refused ("path: x\ntext: aaaaaaaaaaaaaaaaaaaaa\n", "21 bytes", "..20", NULL);
	refused ("path: x\nstrings: [a, b, c, d]\n", "key 'strings': has 4 entries", "..3", NULL);
	refused ("path: x\nnumbers: [1, 101]\n", "key 'numbers[1]': '101' is not within ..100", NULL, NULL);
	refused ("path: x\npairs: {a: b, c: d, e: f}\n", "key 'pairs': has 3 entries", NULL, NULL);
	refused ("path: x\nitems: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}]\n", "has 5 entries",
	        NULL, NULL);
	refused ("path: x\ninner: {count: 0}\n", "key 'inner.count': '0' is not within 1..", NULL, NULL);
}

Test (table, another_kind_of_value_is_named)
{
	refused ("path: [x]\n", "key 'path': is a list, where a path should be", NULL, NULL);
	refused ("path: x\nnumber: {a: b}\n", "key 'number': is a map, where a whole number should be", NULL,
	        NULL);
	refused ("path: x\nstrings: a\n", "key 'strings': is a single value, where a list should be", NULL,
	        NULL);
	refused ("path: x\ninner: a\n", "key 'inner': is a single value, where a map should be", NULL, NULL);
	refused ("path: x\ninner: [a]\n", "key 'inner': is a list, where a map", NULL, NULL);
	refused ("path: x\nitems: [a]\n", "key 'items[0]': is a single value, where a map", NULL, NULL);
	refused (
	        "path: x\nstrings: [[a]]\n", "key 'strings[0]': is a list, where text should be", NULL, NULL);
	refused ("path: x\nnumbers: [a]\n", "key 'numbers[0]': 'a' is no whole number", NULL, NULL);
	refused ("path: x\npairs: {a: [b]}\n", "key 'pairs': 'a' has a list, where text should be", NULL,
	        NULL);
	refused ("- path\n", "f.yaml:1: is a list, where a map of keys should be", NULL, NULL);
	refused ("path\n", "f.yaml:1: is a single value", NULL, NULL);
}

Test (table, a_key_without_a_value_is_named)
{
	refused ("path:\n", "f.yaml:1: key 'path': has no value; give a path", NULL, NULL);
	refused ("path: x\nstrings: ~\n", "key 'strings': has no value", NULL, NULL);
	refused ("path: x\nstrings: [~]\n", "key 'strings[0]': is nothing", NULL, NULL);
	refused ("path: ''\n", "an empty path", NULL, NULL);
}

Test (table, control_characters_stay_out_of_paths)
{
	refused ("path: \"a\\nb\"\n", "control character", NULL, NULL);
	refused ("path: x\ntext: \"a\\x1bb\"\n", "control character", NULL, NULL);
	refused ("path: x\nstrings: [\"a\\nb\"]\n", "control character", NULL, NULL);
	destroy (parsed ("path: x\ntext: \"a\\n\\tb\"\n"));
}

Test (table, a_word_names_its_alternatives)
{
	refused ("path: x\nword: hihg\n", "key 'word': 'hihg' is none of low, high; did you mean 'high'?",
	        NULL, NULL);
	refused ("path: x\nword: other\n", "'other' is none of low, high", NULL, NULL);
}

Test (table, what_is_not_supported_yet_is_never_accepted)
{
	refused ("path: x\nlater: 1\n", "key 'later': not supported by this release yet", NULL, NULL);
	refused ("path: x\nlater: [1]\n", "key 'later': not supported by this release yet", NULL, NULL);
	refused ("path: x\nlater: {}\n", "key 'later': not supported", NULL, NULL);
}

Test (table, what_must_differ_is_named_with_both_lines)
{
	refused ("path: x\nstrings:\n - a\n - b\n - a\n", "f.yaml:5: key 'strings[2]': 'a'",
	        "first on line 3", NULL);
	refused ("path: x\nitems:\n - {name: a}\n - {name: a}\n", "f.yaml:4: key 'items[1].name': 'a'",
	        "line 3", NULL);
	refused (
	        "path: x\nitems:\n - {name: a, endpoint: 'tcp://h:1'}\n - {name: b, endpoint: 'tcp://h:1'}\n",
	        "key 'items[1].endpoint'", "line 3", NULL);
}

Test (table, every_error_is_said_at_once)
{
	all_t *all = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (
	        parse ("nummer: 1\nnumber: x\nbytes: x\nbytes: y\nwait: &a 3\ninner: {on: maybe}\nname: *a\n",
	                &all, &errors),
	        -EINVAL);
	assert_says (&errors, "f.yaml:1: key 'path': missing", NULL, NULL);
	assert_says (&errors, "f.yaml:1: key 'nummer': unknown", NULL, NULL);
	assert_says (&errors, "f.yaml:2: key 'number'", NULL, NULL);
	assert_says (&errors, "f.yaml:3: key 'bytes'", NULL, NULL);
	assert_says (&errors, "f.yaml:4: key 'bytes' stands here for the second time", NULL, NULL);
	assert_says (&errors, "f.yaml:5: anchor 'a'", NULL, NULL);
	assert_says (&errors, "f.yaml:5: key 'wait': '3' is no duration", NULL, NULL);
	assert_says (&errors, "f.yaml:6: key 'inner.on'", NULL, NULL);
	assert_says (&errors, "f.yaml:7: alias 'a'", NULL, NULL);
	cr_assert_eq (errors.n, 9, "%s", said_all (&errors));
	conf_errors_clear (&errors);
}

Test (table, a_flaw_of_the_tree_alone_is_an_error)
{
	refused ("path: x\npath: y\n", "f.yaml:2:", "second time", NULL);
}

Test (table, a_hostile_number_of_unknown_keys_is_counted)
{
	char *text = malloc (1 << 20);
	size_t at = 0;
	for (int i = 0; i < 30000; i++)
		at += (size_t) sprintf (text + at, "k%d: 1\n", i);
	all_t *all = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse (text, &all, &errors), -EINVAL);
	cr_assert_eq (errors.n, CONF_ERRORS_MAX);
	cr_assert_eq (errors.more, 30001 - CONF_ERRORS_MAX, "each unknown, and one missing");
	conf_errors_clear (&errors);
	free (text);
}

Test (table, checks_name_the_key_and_its_line)
{
	refused ("path: x\nnumber: 13\n", "f.yaml:2: key 'number': unlucky", NULL, NULL);
	refused ("path: x\nbytes: 13\n", "f.yaml:77: key 'else.where': unlucky", NULL, NULL);
	refused ("path: x\nwait: 13ns\n", "f.yaml:1: unlucky as a whole", NULL, NULL);
}

Test (table, a_single_key_is_set_from_text)
{
	all_t all;
	conf_errors_t errors = { 0 };
	cr_assert_eq (conf_object_init (&all_table, &all), 0);
	cr_assert_eq (conf_object_set (&all_table, &all, "text", "new", "--text", &errors), 0);
	cr_assert_str_eq (all.text, "new");
	cr_assert_eq (conf_object_set (&all_table, &all, "number", "1", "--number", &errors), -EINVAL);
	cr_assert_eq (all.number, 7);
	assert_says (&errors, "--number: '1' is not within 2..20", NULL, NULL);
	cr_assert_eq (conf_object_set (&all_table, &all, "strings", "a", "--strings", &errors), -EINVAL);
	cr_assert_eq (conf_object_set (&all_table, &all, "nope", "a", "--nope", &errors), -EINVAL);
	assert_says (&errors, "--nope: there is no key 'nope'", NULL, NULL);
	conf_errors_clear (&errors);
	conf_object_clear (&all_table, &all);
	cr_assert_null (all.text);
	conf_object_clear (&all_table, &all);
}

/* --- reload --------------------------------------------------------------------------------- */

typedef struct {
	char text[512];
} seen_t;

static void see (void *arg, const conf_difference_t *difference)
{
	seen_t *seen = arg;
	size_t at = strlen (seen->text);
	snprintf (seen->text + at, sizeof seen->text - at, "%s%s ", difference->key,
	        difference->reloadable ? "+" : "-");
}

static void differs (const char *old_text, const char *new_text, const char *wanted)
{
	all_t *old = parsed (old_text), *new = parsed (new_text);
	seen_t seen = { "" };
	size_t n = conf_diff (&all_table, old, new, see, &seen), spaces = 0;
	for (const char *p = seen.text; *p; p++)
		spaces += *p == ' ';
	cr_assert_str_eq (seen.text, wanted);
	cr_assert_eq (n, spaces);
	destroy (old);
	destroy (new);
}

Test (diff, nothing_differs_from_itself)
{
	static const char text[] = "path: x\nname: n\nvalue: 0.5\nstrings: [a]\nnumbers: [1]\npairs: {a: "
	                           "b}\nitems: [{name: a}]\n";
	differs (text, text, "");
	differs ("path: x\n", "path: x\nnumber: 7\n", "");
}

Test (diff, each_type_is_compared)
{
	differs ("path: x\n",
	        "path: y\nname: n\nflag: true\nbytes: 1\nwait: 1s\nvalue: 1\nratio: 1\nword: high\n",
	        "path- name- flag- bytes- wait- value- ratio- word- ");
	differs ("path: x\nstrings: [a]\nnames: [a]\nnumbers: [1]\npairs: {a: b}\nitems: [{name: a}]\n",
	        "path: x\nstrings: [b]\nnames: [a, b]\nnumbers: [2]\npairs: {a: c}\nitems: [{name: b}]\n",
	        "strings- names- numbers- pairs- items- ");
	differs ("path: x\nitems: [{name: a, endpoint: 'tcp://a:1'}]\n", "path: x\nitems: [{name: a}]\n",
	        "items- ");
}

Test (diff, says_what_a_reload_takes_over)
{
	differs ("path: x\n", "path: x\nnumber: 8\ninner: {on: false, count: 4}\n",
	        "number+ inner.on+ inner.count- ");
}

static void see_values (void *arg, const conf_difference_t *difference)
{
	seen_t *seen = arg;
	size_t at = strlen (seen->text);
	snprintf (seen->text + at, sizeof seen->text - at, "%s=%s>%s;", difference->key, difference->before,
	        difference->after);
}

Test (diff, says_both_values_as_a_configuration_would)
{
	all_t *old = parsed ("path: x\nstrings: [a]\nnumbers: [1, 2]\nitems: [{name: a}]\n");
	all_t *new = parsed ("path: y\nstrings: [a, b]\nnumbers: [1]\npairs: {a: b}\ninner: {on: false}\n");
	seen_t seen = { "" };
	conf_diff (&all_table, old, new, see_values, &seen);
	for (const char *const *wanted =
	                (const char *const[]){ "path=x>y;", "strings=a>a, b;", "numbers=1, 2>1;",
	                        "pairs=>a: b;", "inner.on=true>false;", "items=1 entries>0 entries;", NULL };
	        *wanted; wanted++)
		cr_assert_not_null (strstr (seen.text, *wanted), "no '%s' in '%s'", *wanted, seen.text);
	destroy (old);
	destroy (new);
}

/* --- reference ------------------------------------------------------------------------------ */

static char *reference (conf_reference_t form)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream (&text, &size);
	conf_print_reference (&all_table, form, out);
	fclose (out);
	return text;
}

Test (reference, help_has_every_key_with_its_facts)
{
	char *text = reference (CONF_REFERENCE_HELP);
	static const char *const wanted[] = { "  path\n      a path (path, required)\n",
		"a number (whole number, apples, 2..20, default 7, reloadable)", "  inner.on\n",
		"  items[].name\n", "its name (name, 1..8 bytes, required)",
		"some items (list of maps, ..4 entries)", "what is to come (not supported yet)",
		"default 20ms" };
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		cr_assert_not_null (strstr (text, wanted[i]), "'%s' in %s", wanted[i], text);
	free (text);
}

Test (reference, roff_escapes_what_roff_reads)
{
	char *text = reference (CONF_REFERENCE_ROFF);
	cr_assert_not_null (strstr (text, ".TP\n.B items[].name\nits name.\n"));
	cr_assert_not_null (strstr (text, "(number, \\-1..1)"), "%s", text);
	for (const char *line = text; line; line = strchr (line, '\n') ? strchr (line, '\n') + 1 : NULL)
		cr_assert (*line != '\'' && (*line != '.' || strspn (line + 1, "TBbPr") > 0), "%.20s", line);
	free (text);
}

Test (reference, markdown_is_a_table)
{
	char *text = reference (CONF_REFERENCE_MARKDOWN);
	cr_assert_eq (strncmp (text, "| key |", 7), 0);
	cr_assert_not_null (
	        strstr (text, "\n| `inner.count` | whole number, things, 1.., default 3 | how many |\n"),
	        "%s", text);
	free (text);
}
