#include "net/version.h"

#include <stdio.h>
#include <zmq.h>

char *net_version (char out[NET_VERSION_TEXT_MAX])
{
	int major, minor, patch;
	zmq_version (&major, &minor, &patch);
	snprintf (out, NET_VERSION_TEXT_MAX, "%d.%d.%d", major, minor, patch);
	return out;
}
