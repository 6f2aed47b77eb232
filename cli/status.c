#include "cli/status_view.h"

#include "cli/reach.h"
#include "cli/waiter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	bool nagios, watch;
} status_t;

#define AT(member) offsetof (status_t, member)
static const option_t options[] = {
	{ "nagios", NULL, "one line and exit status of a Nagios plugin", OPTION_FLAG, AT (nagios) },
	{ "watch", NULL, "again every second, until it is interrupted", OPTION_FLAG, AT (watch) },
};

#define WATCH_EVERY_NS NS_PER_S
enum { NAGIOS_UNKNOWN = 3 };

/* Prints one answer. 0 or negative errno. */
static int print (session_t *session, const Belfry__V1__StatusReply *status, const char *node)
{
	if (!session->json)
		return status_text (session->output, status, node);
	buffer_t line = BUFFER_INIT;
	status_json (&line, status);
	int r = output_line (session->output, &line);
	buffer_free (&line);
	return r;
}

static int once (session_t *session, belfry_client_t *client, const char *node)
{
	char error[BELFRY_CLIENT_ERROR_MAX];
	Belfry__V1__StatusReply *status = NULL;
	int exit = reach_status (client, node, &status, error);
	if (exit != DONE)
		output_complain (session->output, "%s", error);
	else if (print (session, status, node))
		exit = ANSWER_NO;
	belfry_client_status_free (&status);
	return exit;
}

/* What a plugin says goes to standard output, also that nobody answers. */
static int nagios (session_t *session, belfry_client_t *client, const char *node)
{
	char error[BELFRY_CLIENT_ERROR_MAX];
	Belfry__V1__StatusReply *status = NULL;
	buffer_t line = BUFFER_INIT;
	int level = NAGIOS_UNKNOWN;
	if (reach_status (client, node, &status, error) == DONE)
		level = status_nagios (&line, status, node);
	else
		buffer_printf (&line, "BELFRY UNKNOWN - %s", error);
	output_line (session->output, &line);
	buffer_free (&line);
	belfry_client_status_free (&status);
	return level;
}

/* Draws into memory first, so that the screen changes at once. 0 or negative errno of the output. */
static int redraw (session_t *session, belfry_client_t *client, const char *node)
{
	char *text = NULL;
	size_t size = 0;
	output_t drawn = *session->output, *real = session->output;
	drawn.out = open_memstream (&text, &size);
	if (!drawn.out)
		return -ENOMEM;
	drawn.err = drawn.out;
	session->output = &drawn;
	once (session, client, node);
	session->output = real;
	fclose (drawn.out);
	if (real->columns)
		fputs ("\033[H\033[2J", real->out);
	fwrite (text, 1, size, real->out);
	if (!real->columns && !session->json)
		putc ('\n', real->out);
	free (text);
	return fflush (real->out) ? -errno : 0;
}

static int watch (session_t *session, belfry_client_t *client, const char *node)
{
	waiter_t waiter;
	int r = waiter_begin (&waiter, session->output->out);
	if (r)
		return ANSWER_NO;
	bool over = false;
	while (!over && !(r = redraw (session, client, node))) {
		waiter_event_t event = waiter_wait (&waiter, -1, WATCH_EVERY_NS);
		over = event == WAITER_SIGNAL || event == WAITER_READER_GONE;
	}
	waiter_end (&waiter);
	return r && r != -EPIPE ? ANSWER_NO : DONE;
}

static int run (session_t *session, const void *values_, const words_t *words)
{
	const status_t *values = values_;
	const char *node = words->n ? words->at[0] : NULL;
	if (words->n > 1)
		return usage_wrong (
		        session, "status", "status takes one node at most, '%s' was given too", words->at[1]);
	if (values->nagios && (values->watch || session->json))
		return usage_wrong (session, "status", "--nagios goes with neither --watch nor --json");
	belfry_client_t *client;
	int exit = reach_open (session, (belfry_client_options_t){ 0 }, false, &client);
	if (exit != DONE)
		return values->nagios ? NAGIOS_UNKNOWN : exit;
	if (values->nagios)
		exit = nagios (session, client, node);
	else
		exit = values->watch ? watch (session, client, node) : once (session, client, node);
	belfry_client_close (&client);
	return exit;
}

const command_t command_status = {
	.name = "status",
	.synopsis = "[NODE]",
	.summary = "the cluster, its nodes and what is wrong with them",
	.text = "Asks the collector. With NODE: that node with its components, how it sees its\n"
	        "peers, and why its state is what it is; exit status 1 when there is none of that\n"
	        "name. LOST counts events of the node that never arrived, SEEN says how long ago\n"
	        "it was last heard.",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.values_size = sizeof (status_t),
	.run = run,
};
