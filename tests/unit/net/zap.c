#include "curve_help.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/proof.h"

enum { DENIED = 400 };

typedef struct {
	net_context_t *mine, *theirs;
	zap_t *zap;
	pair_t own;
	link_t *server;
	char endpoint[64];
} fixture_t;

static fixture_t begin (link_kind_t kind, const char *domain)
{
	fixture_t self = { .mine = context (), .theirs = context (), .own = pair () };
	self.zap = handler (self.mine);
	self.server = server (self.mine, kind, &self.own, domain, self.endpoint);
	return self;
}

static void end (fixture_t *self)
{
	link_destroy (&self->server);
	zap_destroy (&self->zap);
	net_context_destroy (&self->mine);
	net_context_destroy (&self->theirs);
}

static int attempt (fixture_t *self, link_kind_t kind, const pair_t *who)
{
	link_t *link = client (self->theirs, kind, who, self->own.public_key);
	int r = verdict (link, self->endpoint);
	link_destroy (&link);
	return r;
}

Test (zap, a_key_on_the_list_gets_in_and_no_other)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	pair_t alice = pair (), mallory = pair ();
	allow (f.zap, &alice, "viewer alice", OTHERS);
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &alice), 0);
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &mallory), DENIED);
	zap_totals_t totals;
	zap_totals (f.zap, &totals);
	cr_assert_eq (totals.counts[ZAP_ADMITTED], 1);
	cr_assert_eq (totals.counts[ZAP_DENIED_KEY], 1);
	cr_assert_str_eq (totals.address, "127.0.0.1");
	end (&f);
}

Test (zap, an_empty_list_lets_nobody_in)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	pair_t alice = pair ();
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &alice), DENIED);
	end (&f);
}

Test (zap, a_domain_is_for_its_groups)
{
	fixture_t f = begin (LINK_COLLECTOR_INTAKE, "agents");
	pair_t alice = pair ();
	allow (f.zap, &alice, "viewer alice", OTHERS);
	cr_assert_eq (attempt (&f, LINK_AGENT_STREAM, &alice), DENIED);
	zap_totals_t totals;
	zap_totals (f.zap, &totals);
	cr_assert_eq (totals.counts[ZAP_DENIED_GROUP], 1);
	allow (f.zap, &alice, "agent n1", AGENTS);
	cr_assert_eq (attempt (&f, LINK_AGENT_STREAM, &alice), 0);
	end (&f);
}

Test (zap, a_domain_that_the_handler_does_not_know_is_for_nobody)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "elsewhere");
	pair_t alice = pair ();
	allow (f.zap, &alice, "viewer alice", OTHERS);
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &alice), DENIED);
	end (&f);
}

Test (zap, frames_bear_the_user_and_the_admission_until_the_list_changes)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	pair_t alice = pair ();
	allow (f.zap, &alice, "operator alice", OTHERS);
	link_t *link = client (f.theirs, LINK_CONTROL_CLIENT, &alice, f.own.public_key);
	cr_assert_eq (verdict (link, f.endpoint), 0);
	cr_assert_eq (send_text (link, "hello"), 0);
	frame_t frames[2] = { { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (f.server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert_eq (n, 2);
	for (size_t i = 0; i < 2; i++)
		cr_assert_str_eq (frame_user (&frames[i]), "operator alice", "frame %zu", i);
	uint64_t admission = zap_admission (f.zap, &frames[1]);
	cr_assert_gt (admission, 0);
	allow (f.zap, &alice, "operator alice", OTHERS);
	cr_assert_eq (zap_admission (f.zap, &frames[1]), admission, "an unchanged client keeps it");
	allow (f.zap, &alice, "viewer alice", OTHERS);
	cr_assert_eq (zap_admission (f.zap, &frames[1]), 0, "another role is another admission");
	allow (f.zap, &alice, "operator alice", OTHERS);
	cr_assert_eq (zap_admission (f.zap, &frames[1]), 0, "and the old one does not come back");
	cr_assert_not (zap_admits (f.zap, admission));
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	cr_assert_null (frame_user (&frames[1]));
	link_destroy (&link);
	end (&f);
}

Test (zap, a_frame_without_curve_has_neither_user_nor_admission)
{
	net_context_t *in = context ();
	char endpoint[64];
	zap_t *zap = handler (in);
	link_t *plain = bound (in, LINK_CONTROL_SERVER, endpoint), *link = made (in, LINK_CONTROL_CLIENT);
	cr_assert_eq (verdict (link, endpoint), 0);
	cr_assert_eq (send_text (link, "hello"), 0);
	frame_t frames[2] = { { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (plain, frames, 2, &n, LIMIT_MS), 0);
	cr_assert_null (frame_user (&frames[1]));
	cr_assert_eq (zap_admission (zap, &frames[1]), 0);
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	link_destroy (&link);
	link_destroy (&plain);
	zap_destroy (&zap);
	net_context_destroy (&in);
}

Test (zap, without_a_handler_nobody_gets_in)
{
	net_context_t *mine = context (), *theirs = context ();
	pair_t own = pair (), alice = pair ();
	char endpoint[64];
	link_t *alone = server (mine, LINK_CONTROL_SERVER, &own, "all", endpoint);
	link_t *link = client (theirs, LINK_CONTROL_CLIENT, &alice, own.public_key);
	cr_assert_neq (verdict (link, endpoint), 0);
	link_destroy (&link);
	link_destroy (&alone);
	net_context_destroy (&mine);
	net_context_destroy (&theirs);
}

Test (zap, when_the_handler_ends_nobody_gets_in_any_more)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	pair_t alice = pair ();
	allow (f.zap, &alice, "viewer alice", OTHERS);
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &alice), 0);
	zap_destroy (&f.zap);
	cr_assert_neq (attempt (&f, LINK_CONTROL_CLIENT, &alice), 0);
	f.zap = handler (f.mine);
	allow (f.zap, &alice, "viewer alice", OTHERS);
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &alice), 0, "and a new one lets her in again");
	end (&f);
}

/* In the handler's place, and never an answer. */
Test (zap, while_the_handler_does_not_answer_nobody_gets_in)
{
	net_context_t *mine = context (), *theirs = context ();
	pair_t own = pair (), alice = pair ();
	char endpoint[64];
	void *silent = zmq_socket (mine->zmq, ZMQ_REP);
	cr_assert_eq (zmq_bind (silent, "inproc://zeromq.zap.01"), 0);
	link_t *server_link = server (mine, LINK_CONTROL_SERVER, &own, "all", endpoint);
	link_t *link = client (theirs, LINK_CONTROL_CLIENT, &alice, own.public_key);
	mono_t began = mono_now ();
	cr_assert_neq (verdict (link, endpoint), 0);
	cr_assert_lt (mono_since (mono_now (), began), LIMIT_MS * NS_PER_MS);
	zmq_close (silent);
	link_destroy (&link);
	link_destroy (&server_link);
	net_context_destroy (&mine);
	net_context_destroy (&theirs);
}

Test (zap, a_client_without_curve_is_refused)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	link_t *link = made (f.theirs, LINK_CONTROL_CLIENT);
	cr_assert_neq (verdict (link, f.endpoint), 0);
	link_destroy (&link);
	end (&f);
}

Test (zap, a_client_with_a_password_is_refused)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	link_t *link = made (f.theirs, LINK_CONTROL_CLIENT);
	cr_assert_eq (zmq_setsockopt (link->socket, ZMQ_PLAIN_USERNAME, "root", 4), 0);
	cr_assert_eq (zmq_setsockopt (link->socket, ZMQ_PLAIN_PASSWORD, "root", 4), 0);
	cr_assert_neq (verdict (link, f.endpoint), 0);
	link_destroy (&link);
	end (&f);
}

Test (zap, a_server_with_another_key_than_expected_ends_the_handshake)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	pair_t alice = pair (), other = pair ();
	allow (f.zap, &alice, "viewer alice", OTHERS);
	link_t *link = client (f.theirs, LINK_CONTROL_CLIENT, &alice, other.public_key);
	cr_assert_neq (verdict (link, f.endpoint), 0);
	link_destroy (&link);
	end (&f);
}

/* Everything a peer could open with instead of CURVE: the connection ends without a byte of ours beyond the
 * greeting, and nothing reaches the socket. */
Test (zap, greetings_of_old_versions_and_other_mechanisms_end_the_connection)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	static const struct {
		const char *name;
		uint8_t bytes[64];
		size_t size;
	} cases[] = {
		{ "ZMTP 1.0", { 6, 0, 'p', 'e', 'e', 'r', '0', 6, 0, 'h', 'e', 'l', 'l', 'o' }, 14 },
		{ "ZMTP 2.0", { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, ZMQ_DEALER, 0, 0, 0, 1, 'x' }, 17 },
		{ "ZMTP 3.0 GSSAPI",
		        { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'G', 'S', 'S', 'A', 'P', 'I' }, 64 },
		{ "ZMTP 3.0 NULL", { 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L' }, 64 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int fd = socket (AF_INET, SOCK_STREAM, 0);
		struct sockaddr_in to = { .sin_family = AF_INET,
			.sin_port = htons ((uint16_t) atoi (strrchr (f.endpoint, ':') + 1)),
			.sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
		cr_assert_eq (connect (fd, (struct sockaddr *) &to, sizeof to), 0);
		cr_assert_eq (write (fd, cases[i].bytes, cases[i].size), (ssize_t) cases[i].size);
		char answer[256];
		ssize_t n;
		struct pollfd item = { fd, POLLIN, 0 };
		do {
			cr_assert_eq (
			        poll (&item, 1, LIMIT_MS), 1, "%s: the connection stays", cases[i].name);
			n = read (fd, answer, sizeof answer);
		} while (n > 0);
		close (fd);
		frame_t frames[2] = { { .open = false } };
		cr_assert_eq (
		        link_receive (f.server, frames, 2, &(size_t){ 0 }), -EAGAIN, "%s", cases[i].name);
	}
	end (&f);
}

Test (zap, a_server_needs_a_domain)
{
	net_context_t *in = context ();
	pair_t own = pair ();
	link_t *link = NULL;
	const link_curve_t curves[] = { { .secret_key = own.secret_key },
		{ .secret_key = own.secret_key, .domain = "" } };
	for (size_t i = 0; i < 2; i++) {
		const link_options_t options = { .curve = &curves[i] };
		cr_assert_eq (link_new (in, LINK_CONTROL_SERVER, &options, &link), -EINVAL);
	}
	cr_assert_null (link);
	net_context_destroy (&in);
}

Test (zap, one_handler_a_context)
{
	net_context_t *in = context ();
	zap_t *zap = handler (in), *second = NULL;
	static const zap_domain_t domain = { "all", 1 };
	cr_assert_eq (zap_new (in, &domain, 1, &second), -EADDRINUSE);
	cr_assert_null (second);
	zap_destroy (&zap);
	zap_destroy (&zap);
	net_context_destroy (&in);
}

Test (zap, a_list_that_is_wrong_changes_nothing)
{
	fixture_t f = begin (LINK_CONTROL_SERVER, "all");
	pair_t alice = pair (), bob = pair ();
	allow (f.zap, &alice, "viewer alice", OTHERS);
	static const char long_user[] = "viewer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	const zap_client_t twice[] = { { bob.public_key, "viewer bob", OTHERS },
		{ bob.public_key, "viewer bob2", OTHERS } };
	const zap_client_t wrong[] = { { bob.public_key, "", OTHERS }, { bob.public_key, long_user, OTHERS },
		{ bob.public_key, "viewer bob", 0 } };
	unsigned gone = 77;
	cr_assert_eq (zap_replace (f.zap, twice, 2, &gone), -EINVAL);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq (zap_replace (f.zap, &wrong[i], 1, &gone), -EINVAL);
	cr_assert_eq (gone, 77);
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &alice), 0);
	cr_assert_eq (attempt (&f, LINK_CONTROL_CLIENT, &bob), DENIED);
	end (&f);
}

Test (zap, replacing_says_which_groups_lost_somebody)
{
	net_context_t *in = context ();
	zap_t *zap = handler (in);
	pair_t alice = pair (), n1 = pair ();
	const zap_client_t both[] = { { alice.public_key, "viewer alice", OTHERS },
		{ n1.public_key, "agent n1", AGENTS } };
	unsigned gone = 0;
	cr_assert_eq (zap_replace (zap, both, 2, &gone), 0);
	cr_assert_eq (gone, 0);
	cr_assert_eq (zap_replace (zap, both + 1, 1, &gone), 0);
	cr_assert_eq (gone, OTHERS);
	cr_assert_eq (zap_replace (zap, both, 2, &gone), 0);
	cr_assert_eq (gone, 0);
	cr_assert_eq (zap_replace (zap, NULL, 0, &gone), 0);
	cr_assert_eq (gone, AGENTS | OTHERS);
	zap_destroy (&zap);
	net_context_destroy (&in);
}

Test (zap, every_key_of_ten_thousand_is_found)
{
	enum { N = 10000 };
	net_context_t *in = context ();
	zap_t *zap = handler (in);
	zap_client_t *clients = calloc (N, sizeof *clients);
	uint8_t (*keys)[LINK_KEY_SIZE] = calloc (N, sizeof *keys);
	/* Keys that differ in one byte here, one there: nothing that a hash may lean on. */
	for (uint32_t i = 0; i < N; i++) {
		memcpy (keys[i] + (i % 8) * 4, &i, sizeof i);
		keys[i][31] ^= (uint8_t) (i % 8);
		clients[i] = (zap_client_t){ keys[i], "viewer someone", OTHERS };
	}
	unsigned gone = 0;
	cr_assert_eq (zap_replace (zap, clients, N, &gone), 0);
	cr_assert_eq (zap_replace (zap, clients, N - 1, &gone), 0);
	cr_assert_eq (gone, OTHERS);
	for (uint64_t admission = 1; admission < N; admission++)
		cr_assert (zap_admits (zap, admission));
	cr_assert_not (zap_admits (zap, N));
	cr_assert_not (zap_admits (zap, 0));
	free (keys);
	free (clients);
	zap_destroy (&zap);
	net_context_destroy (&in);
}

Test (proof, a_link_that_refuses_strangers_is_closed)
{
	static const link_kind_t kinds[] = { LINK_COLLECTOR_INTAKE, LINK_COLLECTOR_OUTLET,
		LINK_CONTROL_SERVER };
	for (size_t i = 0; i < 3; i++) {
		fixture_t f = begin (kinds[i], "all");
		err_t err = { "" };
		cr_assert_eq (
		        proof_closed (f.server, f.own.public_key, 2 * NS_PER_S, &err), 0, "%s", err.text);
		end (&f);
	}
}

/* In the handler's place, and everybody is welcome. */
static void *open_door (void *rep)
{
	char frames[8][256];
	for (size_t n = 0;; n = 0) {
		int more = 1;
		for (size_t size = sizeof more; more && n < 8; n++) {
			if (zmq_recv (rep, frames[n], sizeof frames[n] - 1, 0) < 0) {
				zmq_close (rep);
				return NULL;
			}
			zmq_getsockopt (rep, ZMQ_RCVMORE, &more, &size);
		}
		const char *answer[] = { "1.0", "1", "200", "OK", "viewer anybody", "" };
		for (size_t i = 0; i < 6; i++)
			zmq_send (rep, answer[i], strlen (answer[i]), i < 5 ? ZMQ_SNDMORE : 0);
	}
}

Test (proof, a_link_that_lets_a_stranger_in_is_found)
{
	net_context_t *in = context ();
	pair_t own = pair ();
	char endpoint[64];
	pthread_t thread;
	void *rep = zmq_socket (in->zmq, ZMQ_REP);
	cr_assert_eq (zmq_bind (rep, "inproc://zeromq.zap.01"), 0);
	cr_assert_eq (net_thread_start (&thread, "open door", open_door, rep), 0);
	link_t *link = server (in, LINK_CONTROL_SERVER, &own, "all", endpoint);
	err_t err = { "" };
	cr_assert_eq (proof_closed (link, own.public_key, 10 * NS_PER_S, &err), -EACCES);
	cr_assert_not_null (strstr (err.text, endpoint));
	link_destroy (&link);
	net_context_destroy (&in);
	pthread_join (thread, NULL);
}

Test (proof, without_a_handler_nothing_is_proven)
{
	net_context_t *in = context ();
	pair_t own = pair ();
	char endpoint[64];
	link_t *link = server (in, LINK_CONTROL_SERVER, &own, "all", endpoint);
	err_t err = { "" };
	cr_assert_eq (proof_closed (link, own.public_key, 300 * NS_PER_MS, &err), -ETIMEDOUT);
	cr_assert_not_null (strstr (err.text, endpoint));
	link_destroy (&link);
	net_context_destroy (&in);
}

Test (proof, a_link_without_curve_is_not_closed)
{
	net_context_t *in = context ();
	pair_t own = pair ();
	char endpoint[64];
	link_t *link = bound (in, LINK_CONTROL_SERVER, endpoint);
	err_t err = { "" };
	cr_assert_eq (proof_closed (link, own.public_key, 300 * NS_PER_MS, &err), -ETIMEDOUT);
	link_destroy (&link);
	net_context_destroy (&in);
}
