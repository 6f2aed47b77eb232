/* reach.h - the way to the collector for the commands, and its failures as exit statuses. */

#ifndef CLI_REACH_H
#define CLI_REACH_H

#include "cli/command.h"
#include "client/belfry_client.h"

/* Opens a client on the session's endpoints with the session's deadline and, where events are wanted,
 * its keyring. options: what the command adds. DONE with *ret; else the exit status, complained. */
int reach_open (session_t *session, belfry_client_options_t options, bool events, belfry_client_t **ret);

/* Asks for the status; node may be NULL. DONE with *ret, ANSWER_NO where there is no such node, or another
 * exit status; error has the sentence then. */
int reach_status (belfry_client_t *client, const char *node, Belfry__V1__StatusReply **ret,
        char error[BELFRY_CLIENT_ERROR_MAX]);

/* The exit status of a failure of lib/client. */
int reach_exit (int r);

#endif
