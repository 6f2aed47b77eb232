#include "cli/reach.h"

#include <errno.h>

int reach_exit (int r)
{
	switch (r) {
	case 0:
		return DONE;
	case BELFRY_CLIENT_E_ABSENT:
		return ANSWER_NO;
	case -ETIMEDOUT:
	case -EPROTO: /* somebody listens there, but no collector */
		return NOT_REACHABLE;
	case -EPERM:
		return REFUSED;
	case -EINVAL:
	case -EACCES:
	case -ENOENT:
		return USAGE_WRONG;
	default:
		return ANSWER_NO;
	}
}

int reach_open (session_t *session, belfry_client_options_t options, bool events, belfry_client_t **ret)
{
	char error[BELFRY_CLIENT_ERROR_MAX];
	options.control = session->config->control;
	options.curve_file = session->config->curve;
	options.server_key = session->config->server_key;
	options.deadline_ns = session->deadline_ns;
	if (events) {
		options.stream = session->config->stream;
		options.keyring = session->config->keyring;
	}
	int r = belfry_client_open (&options, ret, error);
	if (error[0])
		output_complain (session->output, "%s%s", error,
		        r ? "" : "\nbelfry: going on without a snapshot of what was before");
	return reach_exit (r);
}

int reach_status (belfry_client_t *client, const char *node, Belfry__V1__StatusReply **ret,
        char error[BELFRY_CLIENT_ERROR_MAX])
{
	int r = belfry_client_status (client, node, ret, error);
	return reach_exit (r);
}
