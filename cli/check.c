#include "cli/command.h"

#include "base/json_writer.h"
#include "conf/check.h"

#include <string.h>

static void json_errors (json_writer_t *json, const conf_errors_t *errors)
{
	json_write_key (json, "errors");
	json_write_begin_array (json);
	for (size_t i = 0; i < errors->n; i++) {
		json_write_begin_object (json);
		json_write_key_string (json, "file", errors->items[i].file);
		if (errors->items[i].line)
			json_write_key_u64 (json, "line", errors->items[i].line);
		json_write_key_string (json, "text", errors->items[i].text);
		json_write_end_object (json);
	}
	json_write_end_array (json);
	if (errors->more)
		json_write_key_u64 (json, "more", errors->more);
}

/* Returns whether the file is sound. */
static bool check_file (session_t *session, const char *file)
{
	conf_errors_t errors = { 0 };
	conf_file_t kind = 0;
	int r = conf_check_file (file, &kind, &errors);
	if (r && !conf_errors_any (&errors))
		conf_errors_add (&errors, file, 0, "%s", strerror (-r));
	if (session->json) {
		buffer_t line = BUFFER_INIT;
		json_writer_t json = json_writer_on (&line);
		json_write_begin_object (&json);
		json_write_key_string (&json, "file", file);
		json_write_key_bool (&json, "ok", r == 0);
		if (r == 0)
			json_write_key_string (&json, "kind", conf_file_name (kind));
		json_errors (&json, &errors);
		json_write_end_object (&json);
		output_line (session->output, &line);
		buffer_free (&line);
	} else if (r == 0) {
		fprintf (session->output->out, "%s: ok, %s\n", file, conf_file_name (kind));
	} else {
		/* The answer to "what is wrong" belongs to standard output. */
		conf_errors_print (&errors, session->output->out);
	}
	conf_errors_clear (&errors);
	return r == 0;
}

static int run (session_t *session, const void *values, const words_t *words)
{
	(void) values;
	if (words->n == 0)
		return usage_wrong (session, "check", "check which file?");
	bool sound = true;
	for (size_t i = 0; i < words->n; i++)
		sound &= check_file (session, words->at[i]);
	return sound ? DONE : ANSWER_NO;
}

const command_t command_check = {
	.name = "check",
	.synopsis = "FILE ...",
	.summary = "say everything that is wrong with configuration and rule files",
	.text = "Reads an agent's, a collector's or this command's configuration, or a file of\n"
	        "alert rules; its keys tell which. Prints every error as FILE:LINE: what is\n"
	        "wrong, and what would be right. Exit status 1 when any file has one.",
	.local = true,
	.run = run,
};
