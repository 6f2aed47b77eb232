/* value.h - the scalar types of a configuration: their grammar and their errors. Pure.
 * Each parser returns 0, or -EINVAL / -ERANGE with err saying what was wrong and what would be
 * right, and *ret untouched. */

#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* true or false; yes, on and 1 are not. */
int value_bool (const char *text, bool *ret, err_t *err);
/* Decimal digits. */
int value_unsigned (const char *text, uint64_t *ret, err_t *err);
/* Bytes: decimal digits, then nothing, B, KiB, MiB, GiB or TiB. */
int value_size (const char *text, uint64_t *ret, err_t *err);
/* A finite decimal number, an exponent allowed. */
int value_number (const char *text, double *ret, err_t *err);
/* 0..1, or a percentage: 0.95, 95%. */
int value_ratio (const char *text, double *ret, err_t *err);
/* base/clock.h's durations, not negative. */
int value_duration (const char *text, int64_t *ret_ns, err_t *err);
/* A name of the topic's grammar (messages.md, "Topics") of at most max bytes. */
int value_name (const char *text, size_t max, err_t *err);

enum {
	ENDPOINT_HOST_MAX = 255,
	ENDPOINT_PATH_MAX = 107, /* sun_path */
};
typedef enum { ENDPOINT_TCP = 1, ENDPOINT_IPC, ENDPOINT_INPROC } endpoint_kind_t;
typedef struct {
	endpoint_kind_t kind;
	char host[ENDPOINT_HOST_MAX + 1]; /* without brackets; the path or name of ipc and inproc */
	uint16_t port;                    /* 0 for ipc and inproc */
} endpoint_t;

enum { ENDPOINT_BIND = 1, ENDPOINT_LOCAL = 2 };
/* tcp://HOST:PORT, port 1..65535, HOST a name, an IPv4 address or an IPv6 one in brackets; with
 * ENDPOINT_BIND also *; with ENDPOINT_LOCAL also ipc://PATH and inproc://NAME. */
int value_endpoint (const char *text, int flags, endpoint_t *ret, err_t *err);
/* HOST:PORT with the same HOST and port; [ADDRESS]:PORT for IPv6. */
int value_host_port (const char *text, int flags, endpoint_t *ret, err_t *err);
/* Whether only this machine can reach it: 127.0.0.0/8, ::1, localhost, ipc and inproc. */
bool endpoint_is_loopback (const endpoint_t *endpoint);

#endif
