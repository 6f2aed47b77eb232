/* request.h - a client's requests over control: one at a time, each with a deadline and an answer or a
 * clear error (wire.md, "Control"). One thread. */

#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "base/clock.h"
#include "base/error.h"
#include "belfry/v1/control.pb-c.h"
#include "net/loop.h"

typedef struct requests requests_t;

/* Called while an answer is awaited, for what must not wait with it. */
typedef void request_idle_fn (void *arg);

/* Connects to endpoint (copied); the loop is borrowed, and public_key, our own in Z85 or NULL. curve may be NULL.
 * 0; -EINVAL with err set, -ENOMEM. */
int requests_new (net_context_t *context, loop_t *loop, const char *endpoint, const link_curve_t *curve,
        const char *public_key, requests_t **ret, err_t *err);
void requests_destroy (requests_t **self_p);

/* Sends request (version, id and deadline are set here) and forgets what was asked before. 0; -ETIMEDOUT
 * when nobody takes it before deadline; -EPERM when the collector refuses the connection; -EMSGSIZE; -ENOMEM. */
int request_send (requests_t *self, Belfry__V1__Control *request, mono_t deadline, err_t *err);

/* The next answer to the request: 0 with *ret, freed by belfry__v1__control__free_unpacked. It bears
 * the body wanted; else -EPERM (refused: err has the collector's words), -ENOENT (there is no
 * such node), -EPROTO (no such answer),
 * -ETIMEDOUT. idle may be NULL. */
int request_answer (requests_t *self, Belfry__V1__Control__BodyCase wanted, mono_t deadline,
        request_idle_fn *idle, void *arg, Belfry__V1__Control **ret, err_t *err);

#endif
