#include "curve_help.h"

#include "net/cut.h"

typedef struct {
	net_context_t *mine, *theirs;
	zap_t *zap;
	pair_t own, alice, bob;
	link_t *server, *clients[2];
	cutter_t *cutter;
	char endpoint[64];
} fixture_t;

static void allow_both (fixture_t *self, const char *alice, const char *bob)
{
	const zap_client_t clients[] = { { self->alice.public_key, alice, OTHERS },
		{ self->bob.public_key, bob, OTHERS } };
	unsigned gone = 0;
	cr_assert_eq (zap_replace (self->zap, clients, bob ? 2 : 1, &gone), 0);
}

/* What the server next receives, noted for its sender. */
static uint64_t take (fixture_t *self, const char *text)
{
	frame_t frames[2] = { { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (self->server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert (span_is (frame_bytes (&frames[1]), text));
	uint64_t admission = zap_admission (self->zap, &frames[1]);
	if (admission)
		cutter_note (self->cutter, &frames[1], admission);
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	return admission;
}

static fixture_t begin (void)
{
	fixture_t self = {
		.mine = context (), .theirs = context (), .own = pair (), .alice = pair (), .bob = pair ()
	};
	self.zap = handler (self.mine);
	self.server = server (self.mine, LINK_CONTROL_SERVER, &self.own, "all", self.endpoint);
	cr_assert_eq (cutter_new (self.zap, self.server, &self.cutter), 0);
	allow_both (&self, "viewer alice", "viewer bob");
	const pair_t *pairs[] = { &self.alice, &self.bob };
	for (size_t i = 0; i < 2; i++) {
		self.clients[i] = client (self.theirs, LINK_CONTROL_CLIENT, pairs[i], self.own.public_key);
		cr_assert_eq (verdict (self.clients[i], self.endpoint), 0);
	}
	return self;
}

static void end (fixture_t *self)
{
	cutter_destroy (&self->cutter);
	for (size_t i = 0; i < 2; i++)
		link_destroy (&self->clients[i]);
	link_destroy (&self->server);
	zap_destroy (&self->zap);
	net_context_destroy (&self->mine);
	net_context_destroy (&self->theirs);
}

static void expect_ended (link_t *link)
{
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (link, &monitor), 0);
	expect_change (monitor, LINK_HANDSHAKE_FAILED); /* it tried again, and was refused */
	link_monitor_destroy (&monitor);
}

Test (cut, who_left_the_list_is_cut_off_and_the_others_stay)
{
	fixture_t f = begin ();
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq (send_text (f.clients[i], "hello"), 0);
	cr_assert_neq (take (&f, "hello"), 0);
	cr_assert_neq (take (&f, "hello"), 0);
	cr_assert_eq (cutter_cut (f.cutter), 0, "everybody is let in");
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (f.server, &monitor), 0);
	allow_both (&f, "viewer alice", NULL);
	cr_assert_eq (cutter_cut (f.cutter), 1);
	expect_change (monitor, LINK_DISCONNECTED);
	link_monitor_destroy (&monitor);
	cr_assert_eq (send_text (f.clients[0], "still here"), 0, "alice's connection stands");
	cr_assert_neq (take (&f, "still here"), 0);
	expect_ended (f.clients[1]);
	end (&f);
}

Test (cut, a_message_that_was_under_way_is_of_nobody_who_is_let_in)
{
	fixture_t f = begin ();
	cr_assert_eq (send_text (f.clients[1], "late"), 0);
	/* It is there before the list changes. */
	mono_t deadline = limit ();
	while (link_readable (f.server) == 0 && ms_left (deadline) > 0) {
		struct pollfd item = { link_poll_descriptor (f.server), POLLIN, 0 };
		poll (&item, 1, 10);
	}
	allow_both (&f, "viewer alice", NULL);
	cr_assert_eq (take (&f, "late"), 0);
	end (&f);
}

Test (cut, who_said_nothing_yet_is_cut_off_too_and_comes_back)
{
	fixture_t f = begin ();
	cr_assert_eq (send_text (f.clients[1], "hello"), 0);
	cr_assert_neq (take (&f, "hello"), 0);
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (f.clients[0], &monitor), 0);
	cr_assert_eq (cutter_cut (f.cutter), 1, "alice, of whom nothing is known");
	expect_change (monitor, LINK_DISCONNECTED);
	expect_change (monitor, LINK_CONNECTED);
	link_monitor_destroy (&monitor);
	end (&f);
}

Test (cut, other_links_connections_are_left_alone)
{
	fixture_t f = begin ();
	char endpoint[64];
	link_t *other = server (f.mine, LINK_CONTROL_SERVER, &f.own, "all", endpoint);
	link_t *link = client (f.theirs, LINK_CONTROL_CLIENT, &f.alice, f.own.public_key);
	cr_assert_eq (verdict (link, endpoint), 0);
	cr_assert_eq (cutter_cut (f.cutter), 2);
	cr_assert_eq (send_text (link, "untouched"), 0);
	frame_t frames[2] = { { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (other, frames, 2, &n, LIMIT_MS), 0);
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	link_destroy (&link);
	link_destroy (&other);
	end (&f);
}

Test (cut, only_a_bound_tcp_link_can_be_watched)
{
	net_context_t *in = context ();
	zap_t *zap = handler (in);
	link_t *link = made (in, LINK_CONTROL_SERVER);
	cutter_t *cutter = NULL;
	cr_assert_eq (cutter_new (zap, link, &cutter), -EINVAL);
	cr_assert_null (cutter);
	cutter_destroy (&cutter);
	link_destroy (&link);
	zap_destroy (&zap);
	net_context_destroy (&in);
}
