/* The reference is printed from the tables alone, so it cannot say what the parser does not do. */

#include <string.h>

#include "conf/field.h"

typedef struct {
	conf_reference_t form;
	FILE *out;
} reference_t;

/* "duration, 50ms..10s, default 200ms" */
static void facts_format (const conf_option_t *option, char *out, size_t size)
{
	static const char *const names[] = {
		[CONF_STRING] = "text",
		[CONF_PATH] = "path",
		[CONF_NAME] = "name",
		[CONF_ENDPOINT] = "endpoint",
		[CONF_HOST_PORT] = "HOST:PORT",
		[CONF_BOOL] = "true or false",
		[CONF_UNSIGNED] = "whole number",
		[CONF_SIZE] = "size",
		[CONF_DURATION] = "duration",
		[CONF_NUMBER] = "number",
		[CONF_RATIO] = "ratio",
		[CONF_WORD] = "word",
		[CONF_STRINGS] = "list",
		[CONF_NAMES] = "list of names",
		[CONF_NUMBERS] = "list of numbers",
		[CONF_PAIRS] = "map of text",
		[CONF_OBJECT] = "map",
		[CONF_OBJECTS] = "list of maps",
		[CONF_UNSUPPORTED] = "not supported yet",
	};
	bool length = option->type <= CONF_NAME;
	bool entries = option->type >= CONF_STRINGS && option->type != CONF_NUMBERS;
	snprintf (out, size, "%s%s%s%s%s%s%s%s%s%s", names[option->type], *option->unit ? ", " : "",
	        option->unit, *option->range ? ", " : "", option->range,
	        *option->range && length    ? " bytes"
	        : *option->range && entries ? " entries"
	                                    : "",
	        option->flags & CONF_REQUIRED ? ", required" : "", option->value ? ", default " : "",
	        option->value ? option->value : "", option->flags & CONF_RELOAD ? ", reloadable" : "");
}

/* In roff a line must not begin with a dot or quote, '-' is a hyphen, and '\' escapes. */
static void roff_write (FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs ("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs ("\\e", out);
		else if (*text == '-')
			fputs ("\\-", out);
		else
			fputc (*text, out);
	}
}

static void markdown_write (FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr ("|*_<`", *text))
			fputc ('\\', out);
		fputc (*text, out);
	}
}

static void option_print (const reference_t *self, const conf_option_t *option, const char *path)
{
	char facts[160];
	facts_format (option, facts, sizeof facts);
	switch (self->form) {
	case CONF_REFERENCE_HELP:
		fprintf (self->out, "  %s\n      %s (%s)\n", path, option->text, facts);
		break;
	case CONF_REFERENCE_ROFF:
		fputs (".TP\n.B ", self->out);
		roff_write (self->out, path);
		fputc ('\n', self->out);
		roff_write (self->out, option->text);
		fputs (".\n.br\n(", self->out);
		roff_write (self->out, facts);
		fputs (")\n", self->out);
		break;
	case CONF_REFERENCE_MARKDOWN:
		fprintf (self->out, "| `%s` | ", path);
		markdown_write (self->out, facts);
		fputs (" | ", self->out);
		markdown_write (self->out, option->text);
		fputs (" |\n", self->out);
		break;
	}
}

static void table_print (const reference_t *self, const conf_table_t *table, const char *above)
{
	for (size_t i = 0; i < table->n; i++) {
		const conf_option_t *option = &table->options[i];
		char path[256];
		snprintf (path, sizeof path, "%s%s%s%s", above, *above ? "." : "", option->key,
		        option->type == CONF_OBJECTS ? "[]" : "");
		if (option->type != CONF_OBJECT)
			option_print (self, option, path);
		if (option->table)
			table_print (self, option->table, path);
	}
}

void conf_print_reference (const conf_table_t *table, conf_reference_t form, FILE *out)
{
	reference_t self = { form, out };
	if (form == CONF_REFERENCE_MARKDOWN)
		fputs ("| key | type, range, default | what it is |\n| --- | --- | --- |\n", out);
	table_print (&self, table, "");
}
