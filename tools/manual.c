/* manual TEMPLATE: writes a page of the documentation to standard output.
 *
 * A line "@@NAME" of the template is replaced by what the programs' own tables say (parts, below), and
 * "@version@" anywhere by the version, so that no page says what a program does not do. Pages that end in
 * .md.in are Markdown, all others roff with the man macros. Exit status 1 with a sentence on
 * standard error for anything unknown. */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "collector/view/view.h"
#include "conf/agent_config.h"
#include "conf/cli_config.h"
#include "conf/collector_config.h"
#include "conf/rule.h"
#include "wire/describe.h"
#include "wire/refusal.h"

typedef struct {
	bool markdown;
	FILE *out;
} page_t;

/* Text. */

/* roff takes a leading dot or quote as a request, '\' as an escape and '-' as a hyphen. */
static void roff_line (FILE *out, const char *text, size_t size)
{
	if (size && (*text == '.' || *text == '\''))
		fputs ("\\&", out);
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\\')
			fputs ("\\e", out);
		else if (text[i] == '-')
			fputs ("\\-", out);
		else
			fputc (text[i], out);
	}
}

static void write_words (const page_t *page, const char *text)
{
	if (!page->markdown) {
		roff_line (page->out, text, strlen (text));
		return;
	}
	for (; *text; text++) {
		if (strchr ("|*_<`", *text))
			fputc ('\\', page->out);
		fputc (*text, page->out);
	}
}

/* A command's text: sentences, and examples that begin with two spaces. */
static void write_text (const page_t *page, const char *text)
{
	bool example = false;
	while (*text) {
		size_t size = strcspn (text, "\n");
		bool indented = size > 2 && text[0] == ' ' && text[1] == ' ';
		if (indented != example && !page->markdown)
			fputs (indented ? ".RS 2\n.nf\n" : ".fi\n.RE\n", page->out);
		else if (indented != example)
			fputs (indented ? "\n```sh\n" : "```\n\n", page->out);
		example = indented;
		const char *line = indented ? text + 2 : text;
		size_t left = indented ? size - 2 : size;
		if (page->markdown)
			fprintf (page->out, "%.*s\n", (int) left, line);
		else {
			roff_line (page->out, line, left);
			fputc ('\n', page->out);
		}
		text += size + (text[size] == '\n');
	}
	if (example)
		fputs (page->markdown ? "```\n" : ".fi\n.RE\n", page->out);
}

/* Parts. */

static void write_option (const page_t *page, const option_t *option)
{
	const char *space = option->value ? " " : "", *value = option->value ? option->value : "";
	if (page->markdown) {
		fprintf (page->out, "| `--%s%s%s` | ", option->name, space, value);
		write_words (page, option->help);
		fputs (" |\n", page->out);
		return;
	}
	fputs (".TP\n.B \\-\\-", page->out);
	write_words (page, option->name);
	fprintf (page->out, "%s\\fI%s\\fR\n", space, value);
	write_words (page, option->help);
	fputc ('\n', page->out);
}

static void write_options (const page_t *page, const option_t *options, size_t n)
{
	if (page->markdown)
		fputs ("\n| option | what it does |\n| --- | --- |\n", page->out);
	for (size_t i = 0; i < n; i++)
		write_option (page, &options[i]);
}

static void part_global_options (const page_t *page)
{
	size_t n;
	const option_t *options = commands_global_options (&n);
	write_options (page, options, n);
}

static void part_commands (const page_t *page)
{
	for (size_t i = 0; i < commands_count (); i++) {
		const command_t *command = commands_at (i);
		const char *space = *command->synopsis ? " " : "";
		if (page->markdown) {
			fprintf (page->out, "%s### belfry %s\n\n```text\nbelfry %s%s%s\n```\n\n",
			        i ? "\n" : "", command->name, command->name, space, command->synopsis);
		} else {
			fputs (".SS ", page->out);
			write_words (page, command->name);
			fputs ("\n.B belfry ", page->out);
			write_words (page, command->name);
			fputs (space, page->out);
			write_words (page, command->synopsis);
			fputs ("\n.PP\n", page->out);
		}
		write_text (page, command->text);
		write_options (page, command->options, command->n_options);
	}
}

static void part_agent_options (const page_t *page)
{
	conf_print_reference (agent_config_table (),
	        page->markdown ? CONF_REFERENCE_MARKDOWN : CONF_REFERENCE_ROFF, page->out);
}

static void part_collector_options (const page_t *page)
{
	conf_print_reference (collector_config_table (),
	        page->markdown ? CONF_REFERENCE_MARKDOWN : CONF_REFERENCE_ROFF, page->out);
}

static void part_operator_options (const page_t *page)
{
	conf_print_reference (cli_config_table (),
	        page->markdown ? CONF_REFERENCE_MARKDOWN : CONF_REFERENCE_ROFF, page->out);
}

static void part_rule_options (const page_t *page)
{
	conf_print_reference (rule_file_table (),
	        page->markdown ? CONF_REFERENCE_MARKDOWN : CONF_REFERENCE_ROFF, page->out);
}

static void write_entry (const page_t *page, const char *name, const char *unit, const char *help)
{
	if (page->markdown) {
		fprintf (page->out, "| `%s` | ", name);
		write_words (page, help);
		fprintf (page->out, "%s%s%s |\n", *unit ? " (" : "", unit, *unit ? ")" : "");
		return;
	}
	fputs (".TP\n.B ", page->out);
	write_words (page, name);
	fputc ('\n', page->out);
	write_words (page, help);
	fprintf (page->out, "%s%s%s\n", *unit ? " (" : "", unit, *unit ? ")" : "");
}

static void part_counters (const page_t *page)
{
	if (page->markdown)
		fputs ("| series | what it counts |\n| --- | --- |\n", page->out);
#define COUNTER(name, series, kind, unit, help) write_entry (page, series, unit, help);
#include "collector/counters.def"
#undef COUNTER
}

static void part_refusals (const page_t *page)
{
	if (page->markdown)
		fputs ("| reason | what was refused |\n| --- | --- |\n", page->out);
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
		write_entry (page, refusal_key ((refusal_t) i), "", refusal_help ((refusal_t) i));
}

static const char *class_words (event_class_t class)
{
	switch (class) {
	case EVENT_CLASS_DURABLE:
		return "durable";
	case EVENT_CLASS_VOLATILE:
		return "volatile";
	case EVENT_CLASS_ON_DEMAND:
		return "on demand";
	case EVENT_CLASS_STATUS:
		return "volatile, a change durable";
	case EVENT_CLASS_LOG:
		break;
	}
	return "by severity";
}

static void part_events (const page_t *page)
{
	fputs (page->markdown ? "| topic begins | event | class |\n| --- | --- | --- |\n" : ".nf\n",
	        page->out);
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		char topic[64];
		snprintf (topic, sizeof topic, "%s/%s/", channel_name (type->channel),
		        type->token ? type->token : "SEVERITY");
		fprintf (page->out, page->markdown ? "| `%s` | %s | %s |\n" : "%-24s %-22s %s\n", topic,
		        type->name, class_words (type->class));
	}
	if (!page->markdown)
		fputs (".fi\n", page->out);
}

static void rule_when (const rule_t *rule, char *out, size_t size)
{
	switch (rule->kind) {
	case RULE_ALWAYS:
		snprintf (out, size, "always");
		break;
	case RULE_METRIC:
		snprintf (out, size, "%s %s %g, clears at %g", rule->metric,
		        rule->direction == RULE_ABOVE ? "above" : "below", rule->threshold, rule->clear);
		break;
	case RULE_NODE_DOWN:
		snprintf (out, size, "a node is down");
		break;
	case RULE_STATUS:
		snprintf (out, size, "a %s is %s", rule->subject == RULE_OF_NODE ? "node" : "component",
		        rule->status == RULE_STATUS_UNHEALTHY ? "unhealthy" : "degraded or worse");
		break;
	}
}

static void part_shipped_rules (const page_t *page)
{
	rule_set_t *rules = NULL;
	conf_errors_t errors = { 0 };
	if (rule_set_parse (NULL, 0, "shipped", &rules, &errors)) {
		conf_errors_print (&errors, stderr);
		exit (EXIT_FAILURE);
	}
	if (page->markdown)
		fputs ("| rule | when | for | severity |\n| --- | --- | --- | --- |\n", page->out);
	for (size_t i = 0; i < rules->n; i++) {
		const rule_t *rule = &rules->rules[i];
		char when[256], held[DURATION_TEXT_MAX];
		rule_when (rule, when, sizeof when);
		duration_format (rule->for_ns, held);
		const char *severity = severity_name ((Belfry__V1__Severity) rule->severity);
		if (page->markdown) {
			fprintf (page->out, "| `%s` | ", rule->name);
			write_words (page, when);
			fprintf (page->out, " | %s | %s |\n", held, severity);
			continue;
		}
		fputs (".TP\n.B ", page->out);
		write_words (page, rule->name);
		fprintf (page->out, "\n%s: ", severity);
		write_words (page, when);
		if (rule->for_ns)
			fprintf (page->out, ", for %s", held);
		fputc ('\n', page->out);
	}
	rule_set_destroy (&rules);
}

static const struct {
	const char *name;
	void (*write) (const page_t *page);
} parts[] = {
	{ "global_options", part_global_options },
	{ "commands", part_commands },
	{ "agent_options", part_agent_options },
	{ "collector_options", part_collector_options },
	{ "operator_options", part_operator_options },
	{ "rule_options", part_rule_options },
	{ "shipped_rules", part_shipped_rules },
	{ "counters", part_counters },
	{ "refusals", part_refusals },
	{ "events", part_events },
};

static int write_part (const page_t *page, const char *name)
{
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (strcmp (parts[i].name, name) == 0) {
			parts[i].write (page);
			return 0;
		}
	}
	return -EINVAL;
}

static void write_line (const page_t *page, const char *line)
{
	static const char mark[] = "@version@";
	for (const char *at; (at = strstr (line, mark)); line = at + strlen (mark))
		fprintf (page->out, "%.*s%s", (int) (at - line), line, BELFRY_VERSION);
	fputs (line, page->out);
}

static bool ends_in (const char *text, const char *end)
{
	size_t size = strlen (text), end_size = strlen (end);
	return size >= end_size && strcmp (text + size - end_size, end) == 0;
}

int main (int argc, char **argv)
{
	if (argc != 2) {
		fputs ("usage: manual TEMPLATE\n", stderr);
		return EXIT_FAILURE;
	}
	FILE *template = fopen (argv[1], "r");
	if (!template) {
		fprintf (stderr, "manual: %s: %s\n", argv[1], strerror (errno));
		return EXIT_FAILURE;
	}
	const page_t page = { .markdown = ends_in (argv[1], ".md.in"), .out = stdout };
	char *line = NULL;
	size_t room = 0;
	int status = EXIT_SUCCESS;
	for (size_t number = 1; getline (&line, &room, template) > 0; number++) {
		if (strncmp (line, "@@", 2) != 0) {
			write_line (&page, line);
			continue;
		}
		line[strcspn (line, "\n")] = '\0';
		if (write_part (&page, line + 2)) {
			fprintf (
			        stderr, "manual: %s:%zu: there is no part '%s'\n", argv[1], number, line + 2);
			status = EXIT_FAILURE;
		}
	}
	if (ferror (template) || fclose (template) || fflush (stdout)) {
		fprintf (stderr, "manual: %s: %s\n", argv[1], strerror (errno));
		status = EXIT_FAILURE;
	}
	free (line);
	return status;
}
