/* program.h - what the daemons' command lines and reloads have in common. */

#ifndef CONF_PROGRAM_H
#define CONF_PROGRAM_H

#include "base/log.h"
#include "conf/table.h"

/* Static. */
typedef struct {
	const char *name;      /* "belfry-agent" */
	const char *component; /* of its log lines: "agent" */
	const char *file;      /* that is read when none is named */
	const char *purpose;   /* sentences of --help, each line with its end */
	const char *signals;   /* the same, of what signals do */
} program_about_t;

typedef struct {
	const char *file; /* as given; NULL: the default */
	bool check;       /* only say what is wrong */
} program_options_t;

/* Reads --config, --check, --help and --version; the latter two and wrong usage are answered here.
 * table: of the configuration, for --help. True: go on, with *ret. False: end with *ret_status. */
bool program_options (const program_about_t *about, const conf_table_t *table, int argc, char **argv,
        program_options_t *ret, int *ret_status);

/* Writes every error to the log. */
void program_errors_say (const program_about_t *about, const conf_errors_t *errors);

/* What a reload takes over, and what waits for a restart: names of keys, joined. */
enum { PROGRAM_KEYS_MAX = 1024 };
typedef struct {
	char taken[PROGRAM_KEYS_MAX], waiting[PROGRAM_KEYS_MAX];
} program_changes_t;

/* Compares a new configuration with the one before (what is taken) and with that of the start (what
 * waits). taken: called with each difference that is taken over; may be NULL. */
void program_changes (const conf_table_t *table, const void *started, const void *current, const void *new,
        program_changes_t *ret, conf_diff_fn *taken, void *arg);
/* Says so in the log; what: what was read again besides, "keyring" or "". */
void program_changes_say (const program_about_t *about, const char *what, const program_changes_t *changes);

#endif
