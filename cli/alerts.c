#include "cli/alert_view.h"
#include "cli/reach.h"
#include "conf/word.h"
#include "wire/describe.h"

#include <string.h>

typedef struct {
	const char *node, *name, *state;
	Belfry__V1__Severity severity;
} alerts_t;

#define AT(member) offsetof (alerts_t, member)
static const option_t options[] = {
	{ "node", "NAME", "about this node", OPTION_TEXT, AT (node) },
	{ "name", "NAME", "of the rule of this name", OPTION_TEXT, AT (name) },
	{ "state", "STATE", "pending, firing, resolved or unknown", OPTION_TEXT, AT (state) },
	{ "severity", "NAME", "at least: debug, info, warning, error or critical", OPTION_SEVERITY,
	        AT (severity) },
};

static bool wanted (const alerts_t *values, int state, const Belfry__V1__Alert *alert)
{
	return (!values->node || strcmp (alert->node, values->node) == 0) &&
	       (!values->name || strcmp (alert->name, values->name) == 0) &&
	       (!state || (int) alert->state == state) && alert->severity >= values->severity;
}

static int print_json (session_t *session, const Belfry__V1__Alert *alert)
{
	buffer_t line = BUFFER_INIT;
	json_writer_t json = json_writer_on (&line);
	alert_json (&json, alert);
	int r = output_line (session->output, &line);
	buffer_free (&line);
	return r;
}

/* Returns the exit status. */
static int print (
        session_t *session, const alerts_t *values, int state, const Belfry__V1__StatusReply *status)
{
	table_t *table;
	size_t n = 0;
	int r = table_new (alert_columns, ALERT_COLUMNS, &table);
	if (r)
		return ANSWER_NO;
	for (size_t i = 0; i < status->n_alerts && !r; i++) {
		const Belfry__V1__Alert *alert = status->alerts[i];
		if (!wanted (values, state, alert))
			continue;
		n++;
		if (session->json)
			r = print_json (session, alert);
		else
			alert_row (table, alert, status->now_ns);
	}
	if (!session->json)
		r = table_print (table, session->output, 0);
	table_destroy (&table);
	if (n == 0 && !session->json)
		output_complain (session->output, "no alert%s", status->n_alerts ? " matches" : "s");
	return r || n == 0 ? ANSWER_NO : DONE;
}

static int run (session_t *session, const void *values_, const words_t *words)
{
	static const char *const states[] = { "pending", "firing", "resolved", "unknown", NULL };
	const alerts_t *values = values_;
	char error[BELFRY_CLIENT_ERROR_MAX];
	int state = 0;
	if (words->n > 0)
		return usage_wrong (
		        session, "alerts", "alerts takes options alone, '%s' was given", words->at[0]);
	if (values->state &&
	        enum_parse (&belfry__v1__alert_state__descriptor, span_str (values->state), &state)) {
		const char *nearest = word_nearest (values->state, states);
		return usage_wrong (session, "alerts",
		        "--state %s: one of pending, firing, resolved, unknown is wanted%s%s", values->state,
		        nearest ? "; did you mean " : "", nearest ? nearest : "");
	}
	belfry_client_t *client;
	Belfry__V1__StatusReply *status = NULL;
	int exit = reach_open (session, (belfry_client_options_t){ 0 }, false, &client);
	if (exit != DONE)
		return exit;
	exit = reach_status (client, NULL, &status, error);
	if (exit == DONE)
		exit = print (session, values, state, status);
	else
		output_complain (session->output, "%s", error);
	belfry_client_status_free (&status);
	belfry_client_close (&client);
	return exit;
}

const command_t command_alerts = {
	.name = "alerts",
	.synopsis = "",
	.summary = "what is wrong, or was a moment ago",
	.text = "Prints the collector's alerts, one a line: pending, firing, unknown (the data\n"
	        "stopped), and those resolved lately. Exit status 1 when none matches.",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.values_size = sizeof (alerts_t),
	.run = run,
};
