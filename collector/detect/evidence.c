/* The order of the questions is the order of what they prove: a peer that hears the node ends every other
 * thought; a refused connect proves a death, an acknowledgement a life; silence is asked last. */

#include "collector/detect/evidence.h"

/* A peer needs so long to call a node silent. */
#define HEARD_OUT_NS (600 * NS_PER_MS)

typedef struct {
	unsigned n;            /* peers whose word counts */
	unsigned soon;         /* those whose word will count in a moment */
	unsigned heard_out;    /* of them, those that told of the time well after the connection's end */
	unsigned hear;         /* got an answer after the node fell silent here */
	unsigned acknowledged; /* its kernel spoke to them after that */
	unsigned refused;      /* its kernel says that nobody listens */
	unsigned silent;       /* nothing, not even from its kernel */
} count_t;

/* What came before is of the same moment of life as the last message here. */
static mono_t news_after (const evidence_t *self)
{
	return self->ended ? mono_add (self->ended_at, EVIDENCE_NEWS_ENDED_NS)
	                   : mono_add (self->heard_at, self->interval_ns + EVIDENCE_NEWS_NS);
}

/* A peer that had no answer of this incarnation yet may speak of the last one's death. */
static bool counts (const evidence_t *self, const testimony_t *peer, mono_t now,
        evidence_credible_fn *credible, void *arg)
{
	return mono_since (now, peer->at) <= EVIDENCE_FRESH_NS && peer->answered_at.ns > self->began_at.ns &&
	       credible (arg, peer->witness) >= WITNESS_JUST;
}

typedef enum { WORD_UNDECIDED, WORD_HEARS, WORD_ACKNOWLEDGED, WORD_REFUSED, WORD_RESET, WORD_SILENT } word_t;

static word_t word_of (const evidence_t *self, const testimony_t *peer, mono_t now)
{
	mono_t news = news_after (self);
	if (peer->answered_at.ns > news.ns && mono_since (now, peer->answered_at) <= EVIDENCE_FRESH_NS)
		return WORD_HEARS;
	if (peer->acknowledged_at.ns > news.ns &&
	        mono_since (now, peer->acknowledged_at) <= EVIDENCE_ACKNOWLEDGED_NS)
		return WORD_ACKNOWLEDGED;
	if (peer->state == BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED && peer->at.ns > self->heard_at.ns)
		return WORD_REFUSED;
	if (peer->state == BELFRY__V1__PEER_STATE__PEER_STATE_RESET)
		return WORD_RESET;
	if (peer->state == BELFRY__V1__PEER_STATE__PEER_STATE_SILENT &&
	        mono_since (peer->at, peer->acknowledged_at) >= EVIDENCE_UNACKNOWLEDGED_NS)
		return WORD_SILENT;
	return WORD_UNDECIDED;
}

static count_t count (const evidence_t *self, mono_t now, evidence_credible_fn *credible, void *arg)
{
	count_t ret = { 0 };
	for (uint32_t i = 0; i < self->n_peers; i++) {
		if (!counts (self, &self->peers[i], now, credible, arg)) {
			witness_t witness = credible (arg, self->peers[i].witness);
			ret.soon += witness == WITNESS_SOON || witness == WITNESS_JUST;
			continue;
		}
		word_t word = word_of (self, &self->peers[i], now);
		ret.n++;
		ret.heard_out += mono_since (self->peers[i].at, self->ended_at) >= HEARD_OUT_NS;
		ret.hear += word == WORD_HEARS;
		ret.acknowledged += word == WORD_ACKNOWLEDGED;
		ret.refused += word == WORD_REFUSED;
		ret.silent += word == WORD_SILENT;
	}
	return ret;
}

/* The connection ended, and no peer knows better so far. */
static evidence_means_t weigh_ended (const evidence_t *self, const count_t *count, mono_t now)
{
	int64_t since = mono_since (now, self->ended_at);
	int64_t back = self->interval_ns + EVIDENCE_RETURN_NS;
	if (since < back || (count->n && (since < EVIDENCE_PEERS_NS || !count->heard_out)))
		return MEANS_NOTHING;
	/* What reset their connections too reset this one, perhaps while its process was stopped. */
	if (count->n == 0 && count->soon && since < EVIDENCE_SOON_NS)
		return MEANS_NOTHING;
	if (count->silent && count->silent == count->n) {
		if (count->silent == 1 && since < EVIDENCE_PEERS_NS + EVIDENCE_ALONE_NS)
			return MEANS_NOTHING;
		return MEANS_GONE;
	}
	bool given_up = mono_since (self->ended_at, self->heard_at) >= EVIDENCE_GIVEN_UP_NS;
	return given_up ? MEANS_GONE : MEANS_DIED;
}

static evidence_means_t weigh_silence (const evidence_t *self, const count_t *count, mono_t now)
{
	mono_t lived = self->proved_at.ns > self->heard_at.ns ? self->proved_at : self->heard_at;
	int64_t silence = mono_since (now, self->heard_at);
	if (count->silent >= 2)
		return MEANS_GONE;
	if (silence < self->patience_ns + EVIDENCE_ALONE_NS)
		return MEANS_NOTHING;
	if (count->silent && count->silent == count->n)
		return MEANS_GONE;
	/* A connection that stands is acknowledged by somebody, or the kernel gives it up in time. Where none
	 * is known this collector is no witness of its end, and one peer's word is enough. */
	if (!self->connected && count->refused)
		return MEANS_DIED;
	if (!self->connected && mono_since (now, lived) >= EVIDENCE_UNWATCHED_NS)
		return MEANS_GONE;
	return MEANS_STARVED;
}

evidence_means_t evidence_weigh (
        const evidence_t *self, mono_t now, evidence_credible_fn *credible, void *arg)
{
	count_t c = count (self, now, credible, arg);
	if (c.hear)
		return MEANS_CUT;
	if (c.refused >= 2 || (c.refused && self->ended))
		return MEANS_DIED;
	if (c.acknowledged)
		return MEANS_STARVED;
	/* An end after which somebody saw it live was no death, though nobody may see it any more. */
	bool outlived = self->proved_at.ns > news_after (self).ns;
	return self->ended && !outlived ? weigh_ended (self, &c, now) : weigh_silence (self, &c, now);
}

static mono_t before (mono_t now, uint64_t age_ns)
{
	/* What a peer claims beyond the clock's range is as good as never. */
	return (mono_t){ age_ns > INT64_MAX / 2 ? INT64_MIN / 2 : now.ns - (int64_t) age_ns };
}

void evidence_testify (
        evidence_t *self, uint32_t witness, const Belfry__V1__PeerObservation *observation, mono_t now)
{
	if (observation->state == BELFRY__V1__PEER_STATE__PEER_STATE_NEVER ||
	        observation->state == BELFRY__V1__PEER_STATE__PEER_STATE_UNSPECIFIED)
		return;
	testimony_t *peer;
	uint32_t at = 0;
	for (uint32_t i = 0; i < self->n_peers; i++) {
		if (self->peers[i].witness == witness) {
			at = i;
			goto found;
		}
		if (self->peers[i].at.ns < self->peers[at].at.ns)
			at = i;
	}
	if (self->n_peers < EVIDENCE_PEERS_MAX)
		at = self->n_peers++;
found:
	peer = &self->peers[at];
	*peer = (testimony_t){ witness, observation->state, now, before (now, observation->age_ns),
		before (now, observation->acknowledged_age_ns) };
	mono_t lived =
	        peer->answered_at.ns > peer->acknowledged_at.ns ? peer->answered_at : peer->acknowledged_at;
	if (lived.ns > self->proved_at.ns)
		self->proved_at = lived;
}

static void move (mono_t *at, int64_t gap, mono_t now)
{
	/* What was noted after the gap, before anybody noticed it, does not move past now. */
	at->ns = at->ns + gap < now.ns ? at->ns + gap : now.ns;
}

void evidence_excuse (evidence_t *self, int64_t gap, mono_t now)
{
	move (&self->began_at, gap, now);
	move (&self->heard_at, gap, now);
	move (&self->ended_at, gap, now);
	move (&self->proved_at, gap, now);
	for (uint32_t i = 0; i < self->n_peers; i++) {
		move (&self->peers[i].at, gap, now);
		move (&self->peers[i].answered_at, gap, now);
		move (&self->peers[i].acknowledged_at, gap, now);
	}
}

size_t evidence_sightings (const evidence_t *self, mono_t now, evidence_credible_fn *credible, void *arg,
        sighting_t out[EVIDENCE_SIGHTINGS_MAX])
{
	size_t n = 0;
	out[n++] = (sighting_t){ EVIDENCE_SELF, "last message", mono_since (now, self->heard_at) };
	if (self->ended)
		out[n++] =
		        (sighting_t){ EVIDENCE_SELF, "connection ended", mono_since (now, self->ended_at) };
	for (uint32_t i = 0; i < self->n_peers; i++) {
		const testimony_t *peer = &self->peers[i];
		sighting_t *sighting = &out[n];
		if (!counts (self, peer, now, credible, arg))
			continue;
		*sighting = (sighting_t){ peer->witness, NULL, mono_since (now, peer->at) };
		switch (word_of (self, peer, now)) {
		case WORD_HEARS:
			sighting->saw = "hears it";
			sighting->age_ns = mono_since (now, peer->answered_at);
			break;
		case WORD_ACKNOWLEDGED:
			sighting->saw = "its kernel acknowledges";
			sighting->age_ns = mono_since (now, peer->acknowledged_at);
			break;
		case WORD_REFUSED:
			sighting->saw = "connect refused";
			break;
		case WORD_RESET:
			sighting->saw = "connection reset";
			break;
		case WORD_SILENT:
			sighting->saw = "no answer, nothing acknowledged";
			sighting->age_ns = mono_since (now, peer->answered_at);
			break;
		case WORD_UNDECIDED:
			continue;
		}
		n++;
	}
	return n;
}
