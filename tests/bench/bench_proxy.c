/* bench-proxy IN OUT: the reference: zmq_proxy between an XSUB and an XPUB that have the options of the
 * collector's own (lib/net's table), and nothing else. Ends on SIGTERM by default action. */

#include <stdio.h>
#include <stdlib.h>

#include "net/link_internal.h"

static link_t *bound (net_context_t *context, link_kind_t kind, const char *endpoint)
{
	link_t *link;
	err_t err = { "" };
	if (link_new (context, kind, NULL, &link) || link_bind (link, endpoint, &err)) {
		fprintf (stderr, "bench-proxy: %s: %s\n", endpoint, err.text);
		exit (EXIT_FAILURE);
	}
	return link;
}

int main (int argc, char **argv)
{
	net_context_t *context;
	if (argc != 3) {
		fputs ("usage: bench-proxy IN OUT\n", stderr);
		return 2;
	}
	if (net_context_new (1, &context))
		return EXIT_FAILURE;
	link_t *in = bound (context, LINK_COLLECTOR_INTAKE, argv[1]);
	link_t *out = bound (context, LINK_COLLECTOR_OUTLET, argv[2]);
	zmq_proxy (in->socket, out->socket, NULL);
	return EXIT_FAILURE;
}
