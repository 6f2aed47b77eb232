/* The evidence table of architecture.md, row by row, and the moments that tell news from the past. */

#include <criterion/criterion.h>

#include "collector/detect/evidence.h"

#define OK BELFRY__V1__PEER_STATE__PEER_STATE_OK
#define REFUSED BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED
#define SILENT BELFRY__V1__PEER_STATE__PEER_STATE_SILENT
#define RESET BELFRY__V1__PEER_STATE__PEER_STATE_RESET
#define NEVER BELFRY__V1__PEER_STATE__PEER_STATE_NEVER
#define MS(n) ((n) *NS_PER_MS)

static const mono_t start = { 1000 * NS_PER_S }; /* the last message */

static witness_t everybody (void *arg, uint32_t witness)
{
	(void) arg;
	(void) witness;
	return WITNESS_YES;
}

static witness_t soon (void *arg, uint32_t witness)
{
	(void) arg;
	(void) witness;
	return WITNESS_SOON;
}

static witness_t only_the_first (void *arg, uint32_t witness)
{
	(void) arg;
	return witness == 1 ? WITNESS_YES : WITNESS_NO;
}

static evidence_t silent_node (void)
{
	return (evidence_t){
		.heard_at = start, .connected = true, .interval_ns = MS (200), .patience_ns = NS_PER_S
	};
}

static evidence_t ended_node (int64_t after_ns)
{
	evidence_t self = silent_node ();
	self.connected = false;
	self.ended = true;
	self.ended_at = mono_add (start, after_ns);
	return self;
}

/* witness reports at start + at_ns. */
static void report (evidence_t *self, uint32_t witness, Belfry__V1__PeerState state, int64_t at_ns,
        int64_t answered_ago_ns, int64_t acknowledged_ago_ns)
{
	Belfry__V1__PeerObservation seen = BELFRY__V1__PEER_OBSERVATION__INIT;
	seen.state = state;
	seen.age_ns = (uint64_t) answered_ago_ns;
	seen.acknowledged_age_ns = (uint64_t) acknowledged_ago_ns;
	evidence_testify (self, witness, &seen, mono_add (start, at_ns));
}

static evidence_means_t means (const evidence_t *self, int64_t at_ns)
{
	return evidence_weigh (self, mono_add (start, at_ns), everybody, NULL);
}

Test (evidence, an_end_alone_is_a_death_after_a_second)
{
	evidence_t self = ended_node (MS (100));
	cr_assert_eq (means (&self, MS (1099)), MEANS_NOTHING);
	cr_assert_eq (means (&self, MS (1100)), MEANS_DIED);
}

Test (evidence, an_end_and_one_refused_connect_is_a_death_at_once)
{
	evidence_t self = ended_node (MS (100));
	report (&self, 1, REFUSED, MS (102), MS (150), MS (150));
	cr_assert_eq (means (&self, MS (103)), MEANS_DIED);
}

Test (evidence, a_refused_connect_without_an_end_needs_a_second_one)
{
	evidence_t self = silent_node ();
	report (&self, 1, REFUSED, MS (500), MS (600), MS (600));
	cr_assert_eq (means (&self, MS (1000)), MEANS_NOTHING);
	report (&self, 2, REFUSED, MS (500), MS (600), MS (600));
	cr_assert_eq (means (&self, MS (1000)), MEANS_DIED);
}

/* Messages came, but none that told which connection brought it. */
Test (evidence, where_no_connection_is_known_one_refusal_is_enough_in_time)
{
	evidence_t self = silent_node ();
	self.connected = false;
	const int64_t enough = self.patience_ns + EVIDENCE_ALONE_NS;
	report (&self, 1, REFUSED, enough - MS (100), enough, enough);
	cr_assert_eq (means (&self, enough - 1), MEANS_NOTHING);
	cr_assert_eq (means (&self, enough), MEANS_DIED);
}

Test (evidence, where_no_connection_is_known_silence_ends_in_a_verdict_whatever_peers_leave_open)
{
	evidence_t self = silent_node ();
	self.connected = false;
	report (&self, 1, RESET, MS (29900), MS (29950), MS (29950));
	cr_assert_eq (means (&self, MS (29999)), MEANS_STARVED);
	cr_assert_eq (means (&self, MS (30000)), MEANS_GONE);
}

Test (evidence, a_refusal_that_was_reported_before_the_last_message_is_of_an_earlier_life)
{
	evidence_t self = ended_node (MS (10));
	report (&self, 1, REFUSED, -MS (10), MS (900), MS (900));
	cr_assert_eq (means (&self, MS (100)), MEANS_NOTHING);
}

Test (evidence, who_is_heard_by_a_peer_is_cut_off_even_if_the_connection_ended)
{
	evidence_t self = silent_node ();
	report (&self, 1, OK, MS (1000), MS (499), 0);
	cr_assert_eq (means (&self, MS (1000)), MEANS_CUT);
	self = ended_node (MS (10));
	report (&self, 1, REFUSED, MS (1000), MS (1100), MS (1100));
	report (&self, 2, OK, MS (1000), MS (10), 0);
	cr_assert_eq (means (&self, MS (1000)), MEANS_CUT);
}

Test (evidence, an_answer_of_the_same_moment_as_the_last_message_is_no_news)
{
	evidence_t self = ended_node (MS (200));
	report (&self, 1, OK, MS (310), MS (10), MS (10)); /* answered at +300: 100 ms after the end */
	cr_assert_eq (means (&self, MS (520)), MEANS_NOTHING);
	self = silent_node ();
	report (&self, 1, OK, MS (510), MS (10), MS (10)); /* answered at +500: a beat and 300 ms */
	cr_assert_eq (means (&self, MS (1000)), MEANS_NOTHING);
}

Test (evidence, silence_with_acknowledgements_is_starved_and_no_sooner_than_they_are_news)
{
	evidence_t self = silent_node ();
	/* The first report of a stopped process: silent for 600 ms, acknowledged just after it fell. */
	report (&self, 1, SILENT, MS (600), MS (600), MS (150));
	report (&self, 2, SILENT, MS (600), MS (600), MS (150));
	cr_assert_eq (means (&self, MS (1000)), MEANS_NOTHING, "neither starved nor gone by this");
	report (&self, 1, SILENT, MS (1600), MS (1600), MS (150));
	cr_assert_eq (means (&self, MS (1600)), MEANS_STARVED);
}

Test (evidence, acknowledgements_grow_old)
{
	evidence_t self = silent_node ();
	for (int64_t at = MS (20000); at < MS (32000); at += MS (1000)) {
		report (&self, 1, SILENT, at, at, at - MS (20000));
		report (&self, 2, SILENT, at, at, at - MS (20000));
		cr_assert_eq (means (&self, at), at <= MS (30000) ? MEANS_STARVED : MEANS_GONE);
	}
}

Test (evidence, nothing_from_two_peers_is_a_host_gone)
{
	evidence_t self = silent_node ();
	report (&self, 1, SILENT, MS (900), MS (900), MS (900));
	cr_assert_eq (means (&self, MS (1000)), MEANS_NOTHING);
	report (&self, 2, SILENT, MS (900), MS (900), MS (500));
	cr_assert_eq (means (&self, MS (1000)), MEANS_GONE);
}

Test (evidence, nothing_from_the_only_peer_waits_3_s)
{
	evidence_t self = silent_node ();
	report (&self, 1, SILENT, MS (2900), MS (2900), MS (2900));
	cr_assert_eq (means (&self, MS (2999)), MEANS_NOTHING);
	cr_assert_eq (means (&self, MS (3000)), MEANS_GONE);
}

Test (evidence, who_beats_rarely_waits_longer)
{
	evidence_t self = silent_node ();
	self.interval_ns = 2 * NS_PER_S;
	self.patience_ns = 10 * NS_PER_S;
	cr_assert_eq (means (&self, MS (11999)), MEANS_NOTHING);
	cr_assert_eq (means (&self, MS (12000)), MEANS_STARVED);
}

Test (evidence, an_end_waits_until_the_peers_were_heard)
{
	evidence_t self = ended_node (0);
	report (&self, 1, RESET, MS (5), MS (150), MS (150));
	cr_assert_eq (means (&self, MS (2000)), MEANS_NOTHING, "that word is from before anybody could know");
	report (&self, 1, RESET, MS (600), MS (750), MS (750));
	cr_assert_eq (means (&self, MS (1299)), MEANS_NOTHING);
	cr_assert_eq (means (&self, MS (1300)), MEANS_DIED);
	self = ended_node (0);
	report (&self, 1, OK, MS (5), MS (10), MS (10));
	cr_assert_eq (means (&self, MS (5) + EVIDENCE_FRESH_NS), MEANS_NOTHING);
	cr_assert_eq (means (&self, MS (6) + EVIDENCE_FRESH_NS), MEANS_DIED, "it will say nothing any more");
}

Test (evidence, a_refusal_of_an_earlier_incarnation_is_none)
{
	evidence_t self = ended_node (0);
	self.began_at = mono_add (start, -MS (100));
	report (&self, 1, REFUSED, MS (50), MS (300), MS (300));
	report (&self, 2, REFUSED, MS (50), MS (300), MS (300));
	cr_assert_eq (means (&self, MS (100)), MEANS_NOTHING);
	report (&self, 1, REFUSED, MS (50), MS (90), MS (90));
	cr_assert_eq (means (&self, MS (100)), MEANS_DIED);
}

Test (evidence, who_refused_and_acknowledges_again_listens)
{
	evidence_t self = silent_node ();
	report (&self, 1, REFUSED, MS (1600), MS (1700), MS (20));
	report (&self, 2, REFUSED, MS (1600), MS (1700), MS (20));
	cr_assert_eq (means (&self, MS (1600)), MEANS_STARVED);
}

Test (evidence, who_lived_on_after_the_end_did_not_die_of_it)
{
	evidence_t self = ended_node (0);
	report (&self, 1, SILENT, MS (2000), MS (2000), MS (50));
	cr_assert_eq (means (&self, MS (2000)), MEANS_STARVED);
	/* Nobody says anything any more: that is no proof of death, until it lasted. */
	cr_assert_eq (means (&self, MS (10000)), MEANS_STARVED);
	cr_assert_eq (means (&self, MS (1949) + EVIDENCE_UNWATCHED_NS), MEANS_STARVED);
	cr_assert_eq (means (&self, MS (1950) + EVIDENCE_UNWATCHED_NS), MEANS_GONE);
	report (&self, 1, REFUSED, MS (12500), MS (12500), MS (12500));
	cr_assert_eq (means (&self, MS (12500)), MEANS_DIED);
}

Test (evidence, an_end_and_then_nothing_from_its_host_is_a_host_gone)
{
	evidence_t self = ended_node (0);
	report (&self, 1, SILENT, MS (900), MS (900), MS (900));
	report (&self, 2, SILENT, MS (900), MS (900), MS (900));
	cr_assert_eq (means (&self, MS (1300)), MEANS_GONE);
	self = ended_node (0);
	report (&self, 1, SILENT, MS (2500), MS (2500), MS (2500));
	cr_assert_eq (means (&self, MS (3299)), MEANS_NOTHING);
	cr_assert_eq (means (&self, MS (3300)), MEANS_GONE);
}

Test (evidence, an_edge_that_never_worked_testifies_to_nothing)
{
	evidence_t self = silent_node ();
	report (&self, 1, NEVER, MS (900), 0, 0);
	report (&self, 2, BELFRY__V1__PEER_STATE__PEER_STATE_UNSPECIFIED, MS (900), 0, 0);
	cr_assert_eq (self.n_peers, 0);
}

Test (evidence, old_reports_and_peers_that_cannot_be_believed_do_not_count)
{
	evidence_t self = silent_node ();
	report (&self, 1, SILENT, MS (900), MS (900), MS (900));
	report (&self, 2, SILENT, MS (900), MS (900), MS (900));
	cr_assert_eq (means (&self, MS (900) + EVIDENCE_FRESH_NS), MEANS_GONE);
	cr_assert_eq (means (&self, MS (901) + EVIDENCE_FRESH_NS), MEANS_STARVED);
	cr_assert_eq (
	        evidence_weigh (&self, mono_add (start, MS (1000)), only_the_first, NULL), MEANS_NOTHING);
	sighting_t seen[EVIDENCE_SIGHTINGS_MAX];
	cr_assert_eq (evidence_sightings (&self, mono_add (start, MS (1000)), only_the_first, NULL, seen), 2);
	cr_assert_eq (seen[1].witness, 1);
	cr_assert_eq (seen[1].age_ns, MS (1000));
}

Test (evidence, more_peers_than_there_is_room_for_replace_the_oldest)
{
	evidence_t self = silent_node ();
	for (uint32_t i = 1; i <= EVIDENCE_PEERS_MAX + 1; i++)
		report (&self, i, SILENT, MS (i), 0, 0);
	cr_assert_eq (self.n_peers, EVIDENCE_PEERS_MAX);
	cr_assert_eq (self.peers[0].witness, EVIDENCE_PEERS_MAX + 1);
	report (&self, 2, OK, MS (50), 0, 0);
	cr_assert_eq (self.n_peers, EVIDENCE_PEERS_MAX);
	cr_assert_eq (self.peers[1].state, OK);
}

Test (evidence, ages_that_nobody_can_mean_overflow_nothing)
{
	evidence_t self = silent_node ();
	Belfry__V1__PeerObservation seen = BELFRY__V1__PEER_OBSERVATION__INIT;
	seen.state = SILENT;
	seen.age_ns = seen.acknowledged_age_ns = UINT64_MAX;
	evidence_testify (&self, 1, &seen, mono_add (start, MS (900)));
	seen.age_ns = seen.acknowledged_age_ns = INT64_MAX;
	evidence_testify (&self, 2, &seen, mono_add (start, MS (900)));
	cr_assert_eq (means (&self, MS (1000)), MEANS_NOTHING, "an edge that never worked");
	sighting_t out[EVIDENCE_SIGHTINGS_MAX];
	cr_assert_eq (evidence_sightings (&self, mono_add (start, MS (1000)), everybody, NULL, out), 1);
	evidence_excuse (&self, NS_PER_S, mono_add (start, MS (5000)));
}

Test (evidence, what_time_did_not_see_moves_every_moment_and_none_past_now)
{
	evidence_t self = ended_node (MS (100));
	report (&self, 1, OK, MS (200), MS (50), MS (10));
	evidence_excuse (&self, MS (4000), mono_add (start, MS (4150)));
	cr_assert_eq (mono_since (self.heard_at, start), MS (4000));
	cr_assert_eq (mono_since (self.ended_at, start), MS (4100));
	cr_assert_eq (mono_since (self.peers[0].at, start), MS (4150));
	cr_assert_eq (mono_since (self.peers[0].answered_at, start), MS (4150));
}

Test (evidence, what_reset_every_connection_is_no_death_of_one_before_the_others_can_say)
{
	evidence_t self = ended_node (0);
	report (&self, 1, OK, MS (-200), 0, 0);
	report (&self, 2, OK, MS (-200), 0, 0);
	cr_assert_eq (evidence_weigh (&self, mono_add (start, MS (1100)), soon, NULL), MEANS_NOTHING);
	cr_assert_eq (evidence_weigh (&self, mono_add (start, MS (3500)), soon, NULL), MEANS_NOTHING);
	cr_assert_eq (evidence_weigh (&self, mono_add (start, MS (4100)), soon, NULL), MEANS_DIED);
	report (&self, 1, SILENT, MS (3000), MS (3000), MS (100));
	cr_assert_eq (means (&self, MS (3100)), MEANS_STARVED, "its kernel lives");
}
