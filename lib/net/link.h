/* link.h - ZeroMQ sockets as the fabric uses them; with loop.h and actor.h the only room that
 * includes zmq.h or czmq.h. Each kind carries the options that zeromq-facts.md found necessary, in
 * one place: LINGER bounded, IMMEDIATE where a message must not wait for a peer, high-water marks
 * set on purpose, RECONNECT_IVL 10 ms with a cap, HANDSHAKE_IVL 3 s, TCP keepalive and MAXRT, no
 * ZMTP heartbeats on receivers, MAXMSGSIZE, ROUTER_MANDATORY.
 *
 * One thread a link. Every call is non-blocking unless it says otherwise. */

#ifndef NET_LINK_H
#define NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

typedef struct link link_t;
typedef struct net_context net_context_t;

/* A ZeroMQ context with io_threads I/O threads. 0, or negative errno. One a program. */
int net_context_new (int io_threads, net_context_t **ret);
/* Ends within the links' linger, at most 500 ms. Every link is destroyed before. NULL-safe. */
void net_context_destroy (net_context_t **self_p);

typedef enum {
	LINK_AGENT_STREAM,     /* XPUB that connects to collectors: sees subscriptions */
	LINK_COLLECTOR_INTAKE, /* XSUB, bound on 7701 */
	LINK_COLLECTOR_OUTLET, /* XPUB, bound on 7702 */
	LINK_SUBSCRIBER,       /* SUB that connects to 7702 */
	LINK_CONTROL_SERVER,   /* ROUTER, bound on 7703 */
	LINK_CONTROL_CLIENT,   /* DEALER that connects to 7703 */
} link_kind_t;

/* CURVE for a link: keys of LINK_KEY_SIZE raw bytes, copied into ZeroMQ. */
enum { LINK_KEY_SIZE = 32 };
typedef struct {
	const uint8_t *secret_key; /* own */
	const uint8_t *public_key; /* own; a client's alone needs it */
	const uint8_t *server_key; /* the server's public key; NULL: this link is the server */
	const char *domain;        /* server: of zap.h, whose handler must run before the bind */
} link_curve_t;

typedef struct {
	/* Messages; 0: the kind's default. ZeroMQ learns of room only once in a millisecond: an XPUB's mark
	 * below what it sends in that time drops for subscribers that keep up. */
	int send_hwm, receive_hwm;
	size_t message_size_max;   /* 0: the kind's default */
	const link_curve_t *curve; /* NULL: neither secrecy nor proof of who it is; borrowed for the call */
} link_options_t;

/* options may be NULL. 0, or negative errno; -EINVAL for a server without a domain. */
int link_new (net_context_t *context, link_kind_t kind, const link_options_t *options, link_t **ret);
/* Remove it from its loop first. NULL-safe. */
void link_destroy (link_t **self_p);

/* 0; -EADDRINUSE, -EINVAL, ... with err naming the endpoint and what would be right. */
int link_bind (link_t *self, const char *endpoint, err_t *err);
/* Goes on trying for ever, at 10 ms and then every second or so, where nobody listens or the peer goes.
 * But ZeroMQ gives up, without a word, on a peer that broke the protocol: a mechanism mismatch, a
 * refused key, a message above the size. keeper.h connects again. */
int link_connect (link_t *self, const char *endpoint, err_t *err);
int link_disconnect (link_t *self, const char *endpoint);
/* The endpoint a bind ended up with ("tcp://127.0.0.1:*" gives the port). 0 or negative errno. */
int link_endpoint (link_t *self, char *out, size_t size);

/* A received frame: holds a reference to ZeroMQ's bytes. Zero-initialise; frame_close after use
 * (a sent frame is closed already; closing twice is harmless). */
typedef struct {
	_Alignas(8) unsigned char opaque[64]; /* zmq_msg_t */
	bool open;
} frame_t;
span_t frame_bytes (const frame_t *frame);
/* The descriptor of the connection that brought it (ZMQ_SRCFD), or -1. */
int frame_descriptor (const frame_t *frame);
/* The User-Id that zap.h gave its connection, "ROLE NAME"; NULL where there is no CURVE. Borrowed while
 * the frame is open. */
const char *frame_user (const frame_t *frame);
/* A second reference to the same bytes, without a copy: for a while. What is kept for long is better
 * copied, since a small frame holds on to the whole 8 KiB buffer that it was received into. 0 or
 * negative errno. */
int frame_share (frame_t *to, const frame_t *from);
void frame_close (frame_t *frame);

/* Receives one whole message into frames[0..max); frames still open are closed first. 0 with *ret_n; -EAGAIN
 * when nothing is there; -EMSGSIZE when it has more frames than max (it is consumed, and *ret_n says how many
 * it had); other negative errno. */
int link_receive (link_t *self, frame_t *frames, size_t max, size_t *ret_n);

/* Forwards frames as they came, n of them, without a copy; they are closed on success. 0; -EAGAIN at the
 * high-water mark, and on CONTROL_CLIENT also while no connection stands (nothing was sent, the
 * frames stay the caller's); -EHOSTUNREACH (ROUTER: no such peer, the frames stay the caller's; or the
 * peer went between two frames: they are closed). On an XPUB 0 says nothing about who got it: without
 * a subscriber, or at a subscriber's mark, it is dropped silently. */
int link_forward (link_t *self, frame_t *frames, size_t n);
/* Copies n parts into one message. Returns as link_forward. */
int link_send (link_t *self, const span_t *parts, size_t n);

/* SUB and XSUB: subscribes; the empty prefix is everything. 0; -EINVAL on another kind; -EMSGSIZE above
 * 240 bytes (ZeroMQ loses some longer ones); other negative errno. */
int link_subscribe (link_t *self, span_t prefix);
int link_unsubscribe (link_t *self, span_t prefix);

/* A dedicated thread drains the link's socket monitor (an unread one blocks the I/O thread:
 * zeromq-facts.md) and hands events over through a pipe that a loop can poll. */
typedef enum {
	LINK_CONNECTED = 1,    /* one that we made; its handshake is through: it can be sent on */
	LINK_DISCONNECTED,     /* one that we made or accepted, also when its handshake failed */
	LINK_ACCEPTED,         /* one that a peer made; its handshake is still to come */
	LINK_HANDSHAKE_FAILED, /* a DISCONNECTED follows */
} link_change_t;
typedef struct {
	link_change_t change;
	int descriptor; /* the connection's, while it lived; -1 for HANDSHAKE_FAILED */
	int error; /* HANDSHAKE_FAILED: errno (the peer ended it), ZAP's status of a refused key (400), or
	                 * ZMQ_PROTOCOL_ERROR_* */
} link_event_t;
typedef struct link_monitor link_monitor_t;
/* 0; -EEXIST when the link has one; other negative errno. Either may be destroyed first. */
int link_monitor_new (link_t *link, link_monitor_t **ret);
void link_monitor_destroy (link_monitor_t **self_p);
int link_monitor_descriptor (link_monitor_t *self); /* readable while events wait */
/* 0 with *ret, or -EAGAIN. Never blocks. */
int link_monitor_next (link_monitor_t *self, link_event_t *ret);
/* Events dropped because nobody took them. */
uint64_t link_monitor_dropped (link_monitor_t *self);

#endif
