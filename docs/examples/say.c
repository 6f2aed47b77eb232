/* say.c - an application that says how it is through the agent of its node.
 *
 *	cc say.c $(pkg-config --cflags --libs belfry) -o say
 *	BELFRY_SOCKET=/run/belfry/agent.sock ./say */

#include <belfry.h>
#include <stdio.h>

int main (void)
{
	belfry_t *belfry = belfry_open ("orders", "1.0", NULL);
	if (!belfry) {
		perror ("belfry_open");
		return 1;
	}
	/* Each call returns what became of the event, which may be ignored: none blocks or fails. */
	belfry_lifecycle (belfry, BELFRY_STARTED, NULL);
	belfry_health (belfry, "queue", BELFRY_DEGRADED, "2,000 orders wait");
	belfry_gauge (belfry, "orders_waiting", 2000, NULL);
	belfry_log (belfry, BELFRY_WARNING, "main", "the queue is long");
	int r = belfry_flush (belfry, 2000);
	if (r) {
		char why[256];
		belfry_last_error (belfry, why, sizeof why);
		fprintf (stderr, "not taken: %s\n", why);
	}
	belfry_close (&belfry);
	return r ? 1 : 0;
}
