/* An event is built, validated and packed here, so that what is wrong is said with the field's name
 * before anybody else sees it; the agent then says whether it is the fabric's. */

#include "app/belfry.h"
#include "cli/command.h"
#include "conf/word.h"
#include "wire/fields.h"
#include "wire/render.h"
#include "wire/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	const char *source, *correlation;
	Belfry__V1__Severity severity;
	bool list;
} send_t;

#define AT(member) offsetof (send_t, member)
static const option_t options[] = {
	{ "list", NULL, "print every channel, type and field", OPTION_FLAG, AT (list) },
	{ "severity", "NAME", "debug, info, warning, error or critical (info)", OPTION_SEVERITY,
	        AT (severity) },
	{ "source", "NAME", "who says it (operator)", OPTION_TEXT, AT (source) },
	{ "correlation", "ID", "what it belongs to", OPTION_TEXT, AT (correlation) },
};
static const send_t defaults = { .source = "operator" };

enum { EVENT_SIZE_MAX = 64000, JSON_SIZE_MAX = 1024 * 1024, NAMES_MAX = 64 };

/* Finds the type by the words, or says what would be right. NULL: said. */
static const event_type_t *type_find (session_t *session, const words_t *words)
{
	const char *names[NAMES_MAX + 1];
	size_t n = 0;
	channel_t channel;
	if (words->n < 2) {
		usage_wrong (session, "send",
		        "send what? CHANNEL TYPE key=value ...; 'belfry send --list' shows them");
		return NULL;
	}
	if (channel_parse (span_str (words->at[0]), &channel) || channel == CHANNEL_FABRIC) {
		for (int c = 0; c < CHANNEL_FABRIC; c++)
			names[n++] = channel_name ((channel_t) c);
		names[n] = NULL;
		const char *nearest = word_nearest (words->at[0], names);
		usage_wrong (session, "send", "no channel for events is called '%s'%s%s%s", words->at[0],
		        nearest ? ": did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
		return NULL;
	}
	const event_type_t *type = event_type_by_name (channel, span_str (words->at[1]));
	if (type)
		return type;
	for (size_t i = 0; i < event_type_count () && n < NAMES_MAX; i++) {
		if (event_type_at (i)->channel == channel)
			names[n++] = event_type_at (i)->name;
	}
	names[n] = NULL;
	const char *nearest = word_nearest (words->at[1], names);
	buffer_t all = BUFFER_INIT;
	for (size_t i = 0; i < n; i++)
		buffer_printf (&all, "%s%s", i ? ", " : "", names[i]);
	usage_wrong (session, "send", "channel %s has no type '%s'; it has %s%s%s%s", words->at[0],
	        words->at[1], buffer_string (&all), nearest ? ": did you mean '" : "", nearest ? nearest : "",
	        nearest ? "'?" : "");
	buffer_free (&all);
	return NULL;
}

static int list (session_t *session, const words_t *words)
{
	buffer_t text = BUFFER_INIT;
	const char *wanted = words->n ? words->at[words->n - 1] : "";
	if (words->n == 0)
		fields_list (&text);
	for (size_t i = 0; words->n && i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		if (type->channel != CHANNEL_FABRIC && (strcmp (channel_name (type->channel), wanted) == 0 ||
		                                               strcasecmp (type->name, wanted) == 0))
			fields_list_type (&text, type);
	}
	if (text.size == 0) {
		buffer_free (&text);
		return usage_wrong (session, "send", "no channel or type is called '%s'", wanted);
	}
	fwrite (buffer_string (&text), 1, text.size, session->output->out);
	buffer_free (&text);
	return DONE;
}

/* Reads standard input to its end. 0 or negative errno. */
static int read_input (buffer_t *ret)
{
	char chunk[4096];
	ssize_t n;
	while ((n = read (STDIN_FILENO, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buffer_append (ret, chunk, (size_t) n);
		if (ret->size > JSON_SIZE_MAX)
			return -EFBIG;
	}
	return buffer_failed (ret) ? -ENOMEM : 0;
}

static ProtobufCMessage *payload_of (Belfry__V1__Event *event)
{
	union {
		const ProtobufCMessage *in;
		ProtobufCMessage *out;
	} u = { event_payload (event) };
	return u.out;
}

static int fill (
        session_t *session, const words_t *words, arena_t *arena, Belfry__V1__Event *event, err_t *err)
{
	ProtobufCMessage *payload = payload_of (event);
	bool from_input = session->json && words->n == 3 && strcmp (words->at[2], "-") == 0;
	if (from_input) {
		buffer_t json = BUFFER_INIT;
		int r = read_input (&json);
		if (r)
			error_set (err, r, "standard input: %s", strerror (-r));
		else
			r = fields_from_json (payload, arena, buffer_span (&json), err);
		buffer_free (&json);
		return r;
	}
	for (size_t i = 2; i < words->n; i++) {
		int r = fields_assign (payload, arena, words->at[i], err);
		if (r)
			return r;
	}
	return 0;
}

/* Its severity is what was asked for, else what the payload itself bears. */
static int head (const send_t *values, arena_t *arena, Belfry__V1__Event *event)
{
	Belfry__V1__Header *header = arena_alloc (arena, sizeof *header);
	if (!header)
		return -ENOMEM;
	belfry__v1__header__init (header);
	header->severity = values->severity ? values->severity : event_payload_severity (event);
	if (values->correlation &&
	        !(header->correlation_id = arena_copy (arena, span_str (values->correlation))))
		return -ENOMEM;
	event->header = header;
	return 0;
}

/* What belfry_open refused, in words. Returns the exit status. */
static int open_refused (session_t *session, const char *source, const char *socket, int error)
{
	if (error == ENOMEM)
		output_complain (session->output, "out of memory");
	else if (error == ENAMETOOLONG || socket[0] == '@')
		output_complain (session->output,
		        "socket %s: a path of at most 107 bytes is wanted, and no abstract socket", socket);
	else
		output_complain (session->output,
		        "--source %s: [A-Za-z0-9._-], a letter or digit first, at most 32, and neither "
		        "'agent' nor 'collector'",
		        source);
	return error == ENOMEM ? ANSWER_NO : USAGE_WRONG;
}

static int hand_over (session_t *session, const send_t *values, const Belfry__V1__Event *event)
{
	const char *socket = session->config->socket;
	size_t size = belfry__v1__event__get_packed_size (event);
	if (size > EVENT_SIZE_MAX) {
		output_complain (session->output, "an event of %zu bytes is larger than the agent takes, %d",
		        size, EVENT_SIZE_MAX);
		return USAGE_WRONG;
	}
	belfry_t *app = belfry_open (values->source, BELFRY_VERSION, socket);
	if (!app)
		return open_refused (session, values->source, socket, errno);
	uint8_t *bytes = malloc (size ? size : 1);
	char why[ERROR_TEXT_MAX] = "";
	int exit = DONE;
	if (!bytes) {
		output_complain (session->output, "out of memory");
		exit = ANSWER_NO;
		goto end;
	}
	belfry__v1__event__pack (event, bytes);
	belfry_outcome_t outcome = belfry_send (app, bytes, size);
	int r = outcome == BELFRY_QUEUED ? belfry_flush (app, (int) (session->deadline_ns / NS_PER_MS))
	                                 : -ENOTCONN;
	belfry_last_error (app, why, sizeof why);
	if (outcome == BELFRY_INVALID || r == -EPERM || r == -EBADMSG) {
		output_complain (session->output, "the agent refuses it: %s",
		        why[0] ? why : strerror (r ? -r : EINVAL));
		exit = REFUSED;
	} else if (r) {
		output_complain (session->output,
		        "no agent answers at %s: %s; is belfry-agent running, and may this user "
		        "reach it (group belfry)?",
		        socket, why[0] ? why : strerror (-r));
		exit = NOT_REACHABLE;
	}
end:
	belfry_close (&app);
	free (bytes);
	return exit;
}

static int run (session_t *session, const void *values_, const words_t *words)
{
	const send_t *values = values_;
	if (values->list)
		return list (session, words);
	const event_type_t *type = type_find (session, words);
	if (!type)
		return USAGE_WRONG;
	arena_t *arena;
	err_t err = { 0 };
	if (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &arena)) {
		output_complain (session->output, "out of memory");
		return ANSWER_NO;
	}
	Belfry__V1__Event *event = fields_event (arena, type);
	int exit, r = event ? fill (session, words, arena, event, &err) : -ENOMEM;
	if (!r)
		r = head (values, arena, event);
	if (!r)
		r = event_validate_payload (event, &err);
	if (r) {
		exit = usage_wrong (
		        session, "send", "%s: %s", type->name, err.text[0] ? err.text : strerror (-r));
	} else {
		exit = hand_over (session, values, event);
		if (exit == DONE) {
			buffer_t line = BUFFER_INIT;
			buffer_text (&line, "sent ");
			render_text_event (&line, event, 0);
			output_line (session->output, &line);
			buffer_free (&line);
		}
	}
	arena_destroy (&arena);
	return exit;
}

const command_t command_send = {
	.name = "send",
	.synopsis = "CHANNEL TYPE key=value ... | ... --json - | --list [TYPE]",
	.summary = "an application's event, through this machine's agent",
	.text = "Fields by dotted paths: samples.0.name=x, labels.disk=sda; durations as 12ms,\n"
	        "sizes as 4MiB, ratios as 52%, enums by name. --json - reads the payload from\n"
	        "standard input, as tap prints it under 'event'. Waits until the agent has taken\n"
	        "the event; BELFRY_SOCKET says where it listens.\n"
	        "  belfry send health ComponentHealth component=billing status=degraded\n"
	        "  belfry send logging LogEntry level=warning message='disk is slow'\n"
	        "Exit status 3 without an agent, 4 when it refuses.",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.defaults = &defaults,
	.values_size = sizeof (send_t),
	.run = run,
};
