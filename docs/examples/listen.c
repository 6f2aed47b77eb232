/* listen.c - prints what the fabric says, the newest of each topic first, then live.
 *
 *	cc listen.c $(pkg-config --cflags --libs belfry-client) -o listen
 *	./listen tcp://127.0.0.1:7702 tcp://127.0.0.1:7703 KEYRING */

#include <belfry_client.h>
#include <stdio.h>

int main (int argc, char **argv)
{
	if (argc < 3) {
		fprintf (stderr, "usage: listen STREAM CONTROL [KEYRING]\n");
		return 2;
	}
	belfry_client_options_t options = {
		.stream = argv[1],
		.control = argv[2],
		.keyring = argc > 3 ? argv[3] : NULL,
		.snapshot = BELFRY_CLIENT_SNAPSHOT_TRY,
	};
	char error[BELFRY_CLIENT_ERROR_MAX];
	belfry_client_t *client;
	if (belfry_client_open (&options, &client, error) < 0) {
		fprintf (stderr, "listen: %s\n", error);
		return 1;
	}
	const belfry_client_event_t *event;
	while (belfry_client_next (client, -1, &event) == 0) {
		printf ("%s %s\n", event->verified == BELFRY_CLIENT_VERIFIED_MAC ? "verified" : "unverified",
		        event->topic);
		fflush (stdout);
	}
	belfry_client_close (&client);
	return 0;
}
