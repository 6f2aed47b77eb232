/* path.h - one way from the nodes to a subscriber through a program under test: a connection a node on
 * one side, a subscriber of everything on a thread and context of its own on the other. The program is
 * another process; only its CPU time is looked at. */

#ifndef TESTS_BENCH_PATH_H
#define TESTS_BENCH_PATH_H

#include <sys/types.h>

#include "net/link.h"
#include "traffic.h"

typedef struct path path_t;

typedef struct {
	const char *name;     /* "collector", "proxy" */
	pid_t pid;            /* of the program under test */
	const char *in, *out; /* its endpoints */
	const char *control;  /* NULL: it has none, and hears no hello */
} path_options_t;

/* Connects, says each node's hello where there is control, and sends heartbeats until each of them came
 * through. Strings are borrowed. 0, or negative errno with err. */
int path_new (const path_options_t *options, traffic_t *traffic, keyring_t *keyring, const char *cluster,
        size_t nodes, path_t **ret, err_t *err);
void path_destroy (path_t **self_p);
const char *path_name (const path_t *self);

typedef struct {
	size_t sent, received;
	double seconds; /* from the first send to the last arrival */
	double cpu_ns;  /* of the program, in that time */
} path_result_t;

/* Sends traffic's messages with at most window of them under way, and waits until all have arrived, or
 * none has for 3 s. */
void path_flood (path_t *self, size_t window, path_result_t *ret);

/* Sends them at rate a second. latencies_ns has room for all: one for each that arrived. traffic_index
 * was called. */
void path_pace (path_t *self, double rate, double *latencies_ns, path_result_t *ret);

#endif
