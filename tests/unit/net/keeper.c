#include "curve_help.h"

#include "net/keeper.h"

typedef struct {
	net_context_t *mine, *theirs;
	zap_t *zap;
	pair_t own, alice;
	link_t *server, *client;
	loop_t *loop;
	keeper_t *keeper;
	unsigned changes;
	char endpoint[64];
} fixture_t;

static void on_changed (void *arg, keeper_state_t state)
{
	fixture_t *self = arg;
	(void) state;
	self->changes++;
}

static void begin (fixture_t *self)
{
	*self = (fixture_t){ .mine = context (), .theirs = context (), .own = pair (), .alice = pair () };
	self->zap = handler (self->mine);
	self->server = server (self->mine, LINK_CONTROL_SERVER, &self->own, "all", self->endpoint);
	cr_assert_eq (loop_new (&self->loop), 0);
}

static void keep (fixture_t *self, link_t *link)
{
	err_t err = { "" };
	self->client = link;
	cr_assert_eq (keeper_new (self->loop, link, self->endpoint, on_changed, self, &self->keeper, &err), 0,
	        "%s", err.text);
	cr_assert_eq (keeper_state (self->keeper), KEEPER_TRYING);
	cr_assert_not (keeper_in_vain (self->keeper, "", &err));
}

static void end (fixture_t *self)
{
	keeper_destroy (&self->keeper);
	link_destroy (&self->client);
	loop_destroy (&self->loop);
	link_destroy (&self->server);
	zap_destroy (&self->zap);
	net_context_destroy (&self->mine);
	net_context_destroy (&self->theirs);
}

static void reach (fixture_t *self, keeper_state_t state)
{
	mono_t deadline = limit ();
	while (keeper_state (self->keeper) != state) {
		cr_assert (ms_left (deadline) > 0, "state %d stays, %d is wanted",
		        (int) keeper_state (self->keeper), (int) state);
		cr_assert_eq (loop_turn (self->loop, 100 * NS_PER_MS), 0);
	}
}

/* Which side finds out first that they do not fit is a race. */
static void reach_mismatch (fixture_t *self)
{
	mono_t deadline = limit ();
	while (keeper_state (self->keeper) != KEEPER_MISMATCH && keeper_state (self->keeper) != KEEPER_CUT) {
		cr_assert (ms_left (deadline) > 0, "no trouble is seen");
		cr_assert_eq (loop_turn (self->loop, 100 * NS_PER_MS), 0);
	}
}

Test (keeper, a_denied_client_gets_in_by_itself_once_it_is_allowed)
{
	fixture_t f;
	begin (&f);
	keep (&f, client (f.theirs, LINK_CONTROL_CLIENT, &f.alice, f.own.public_key));
	reach (&f, KEEPER_DENIED);
	err_t why = { "" };
	cr_assert (keeper_in_vain (f.keeper, "THEKEY", &why));
	cr_assert_not_null (strstr (why.text, f.endpoint));
	cr_assert_not_null (strstr (why.text, "THEKEY"));
	zap_totals_t totals = { { 0 }, "" };
	mono_t deadline = limit ();
	while (totals.counts[ZAP_DENIED_KEY] < 3 && ms_left (deadline) > 0) {
		cr_assert_eq (loop_turn (f.loop, 100 * NS_PER_MS), 0);
		zap_totals (f.zap, &totals);
	}
	cr_assert_geq (totals.counts[ZAP_DENIED_KEY], 3, "it does not try again");
	cr_assert_geq (f.changes, 2, "each refusal is told");
	allow (f.zap, &f.alice, "viewer alice", OTHERS);
	reach (&f, KEEPER_CONNECTED);
	cr_assert_eq (send_text (f.client, "hello"), 0);
	end (&f);
}

Test (keeper, who_is_cut_off_is_denied_and_comes_back_when_allowed)
{
	fixture_t f;
	begin (&f);
	allow (f.zap, &f.alice, "viewer alice", OTHERS);
	keep (&f, client (f.theirs, LINK_CONTROL_CLIENT, &f.alice, f.own.public_key));
	reach (&f, KEEPER_CONNECTED);
	unsigned gone;
	cr_assert_eq (zap_replace (f.zap, NULL, 0, &gone), 0);
	link_destroy (&f.server);
	/* The same port again. */
	const link_curve_t curve = { .secret_key = f.own.secret_key, .domain = "all" };
	const link_options_t options = { .curve = &curve };
	cr_assert_eq (link_new (f.mine, LINK_CONTROL_SERVER, &options, &f.server), 0);
	mono_t deadline = limit ();
	while (link_bind (f.server, f.endpoint, NULL) != 0)
		cr_assert (ms_left (deadline) > 0);
	reach (&f, KEEPER_DENIED);
	allow (f.zap, &f.alice, "viewer alice", OTHERS);
	reach (&f, KEEPER_CONNECTED);
	end (&f);
}

Test (keeper, a_wrong_server_key_is_told)
{
	fixture_t f;
	begin (&f);
	pair_t other = pair ();
	allow (f.zap, &f.alice, "viewer alice", OTHERS);
	keep (&f, client (f.theirs, LINK_CONTROL_CLIENT, &f.alice, other.public_key));
	reach (&f, KEEPER_CUT);
	err_t why = { "" };
	cr_assert (keeper_in_vain (f.keeper, "THEKEY", &why));
	cr_assert_not_null (strstr (why.text, "server key"));
	end (&f);
}

Test (keeper, a_server_that_has_curve_alone_is_told)
{
	fixture_t f;
	begin (&f);
	keep (&f, made (f.theirs, LINK_CONTROL_CLIENT));
	reach_mismatch (&f);
	err_t why = { "" };
	cr_assert (keeper_in_vain (f.keeper, NULL, &why));
	cr_assert_not_null (strstr (why.text, "CURVE"));
	end (&f);
}

Test (keeper, a_server_without_curve_is_no_way_down)
{
	fixture_t f;
	begin (&f);
	link_destroy (&f.server);
	f.server = bound (f.mine, LINK_CONTROL_SERVER, f.endpoint);
	keep (&f, client (f.theirs, LINK_CONTROL_CLIENT, &f.alice, f.own.public_key));
	reach_mismatch (&f);
	end (&f);
}

Test (keeper, a_server_that_is_not_there_is_no_refusal)
{
	fixture_t f;
	begin (&f);
	link_destroy (&f.server);
	keep (&f, client (f.theirs, LINK_CONTROL_CLIENT, &f.alice, f.own.public_key));
	for (int i = 0; i < 30; i++)
		cr_assert_eq (loop_turn (f.loop, 10 * NS_PER_MS), 0);
	cr_assert_eq (keeper_state (f.keeper), KEEPER_TRYING);
	cr_assert_eq (f.changes, 0);
	end (&f);
}
