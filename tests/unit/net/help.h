/* help.h - waiting without sleeping: each waits on a descriptor, up to a limit that only a failure
 * reaches. */

#ifndef TEST_NET_HELP_H
#define TEST_NET_HELP_H

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/link.h"
#include "net/link_internal.h"

enum { LIMIT_MS = 20000 };

static inline int ms_left (mono_t deadline)
{
	int64_t left = mono_since (deadline, mono_now ()) / NS_PER_MS;
	return left > 0 ? (int) left : 0;
}

static inline mono_t limit (void)
{
	return mono_add (mono_now (), LIMIT_MS * NS_PER_MS);
}

/* link_receive that waits. -EAGAIN after timeout_ms. */
static inline int receive_within (link_t *link, frame_t *frames, size_t max, size_t *n, int timeout_ms)
{
	mono_t deadline = mono_add (mono_now (), timeout_ms * NS_PER_MS);
	for (;;) {
		int r = link_receive (link, frames, max, n);
		if (r != -EAGAIN || ms_left (deadline) == 0)
			return r;
		struct pollfd item = { link_poll_descriptor (link), POLLIN, 0 };
		if (link_readable (link) == 0)
			poll (&item, 1, ms_left (deadline));
	}
}

/* The next message's only frame is exactly size bytes of data. */
static inline void expect_bytes (link_t *link, const void *data, size_t size)
{
	frame_t frame = { .open = false };
	size_t n = 0;
	cr_assert_eq (receive_within (link, &frame, 1, &n, LIMIT_MS), 0);
	span_t got = frame_bytes (&frame);
	cr_assert (span_equal (got, span_of (data, size)), "%zu bytes '%.*s' instead of %zu", got.size,
	        (int) (got.size < 60 ? got.size : 60), (const char *) got.data, size);
	frame_close (&frame);
}

static inline void expect (link_t *link, const char *text)
{
	expect_bytes (link, text, strlen (text));
}

static inline int send_text (link_t *link, const char *text)
{
	span_t part = span_str (text);
	return link_send (link, &part, 1);
}

static inline net_context_t *context (void)
{
	net_context_t *made = NULL;
	cr_assert_eq (net_context_new (1, &made), 0);
	return made;
}

static inline link_t *made (net_context_t *in, link_kind_t kind)
{
	link_t *link = NULL;
	cr_assert_eq (link_new (in, kind, NULL, &link), 0);
	return link;
}

/* Bound on a port of the kernel's choice, which endpoint then tells. */
static inline link_t *bound (net_context_t *in, link_kind_t kind, char endpoint[64])
{
	link_t *link = made (in, kind);
	err_t err = { "" };
	cr_assert_eq (link_bind (link, "tcp://127.0.0.1:*", &err), 0, "%s", err.text);
	cr_assert_eq (link_endpoint (link, endpoint, 64), 0);
	return link;
}

static inline link_t *connected (net_context_t *in, link_kind_t kind, const char *endpoint)
{
	link_t *link = made (in, kind);
	err_t err = { "" };
	cr_assert_eq (link_connect (link, endpoint, &err), 0, "%s", err.text);
	return link;
}

/* The next event of this kind, others passed over. */
static inline link_event_t expect_change (link_monitor_t *monitor, link_change_t change)
{
	mono_t deadline = limit ();
	link_event_t event = { 0 };
	for (;;) {
		while (link_monitor_next (monitor, &event) == 0) {
			if (event.change == change)
				return event;
		}
		cr_assert (ms_left (deadline) > 0, "no such change: %d", (int) change);
		struct pollfd item = { link_monitor_descriptor (monitor), POLLIN, 0 };
		poll (&item, 1, ms_left (deadline));
	}
}

#endif
