/* command.h - what a command is to the dispatch table (commands.c): name, synopsis, summary, options,
 * run. One file a command. */

#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/clock.h"
#include "cli/options.h"
#include "cli/output.h"
#include "conf/cli_config.h"

/* interfaces.md, "The operator's command". */
enum {
	DONE = 0,
	ANSWER_NO = 1,
	USAGE_WRONG = 2,
	NOT_REACHABLE = 3,
	REFUSED = 4,
};

/* What every command is given. */
typedef struct {
	output_t *output;
	cli_config_t *config;
	bool json;
	int64_t deadline_ns; /* for each thing asked of the collector */
} session_t;

typedef struct {
	const char *name;
	const char *synopsis; /* behind the name: "[NODE]" */
	const char *summary;  /* one line */
	const char *text;     /* for --help and the man page: sentences, lines of at most 78 */
	const option_t *options;
	size_t n_options;
	const void *defaults; /* the values before parsing */
	size_t values_size;
	bool local; /* needs no collector: the session has no config */
	/* Returns the exit status. values: as the options filled them. */
	int (*run) (session_t *session, const void *values, const words_t *words);
} command_t;

extern const command_t command_tap, command_status, command_alerts, command_events, command_send,
        command_check, command_keygen, command_version;

/* Says what is wrong with the command line, and how to get help. Returns USAGE_WRONG. */
int usage_wrong (session_t *session, const char *command, const char *format, ...) PRINTF_LIKE (3, 4);

#endif
