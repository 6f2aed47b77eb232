#include "cli/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/reach.h"
#include "store/journal.h"
#include "wire/verifier.h"

enum { CHECKPOINTS_MAX = 64 };

/* What is known from elsewhere. */
typedef struct {
	bool has_key, has_head;
	uint8_t key[CHAIN_PUBLIC_KEY_SIZE], hash[CHAIN_HASH_SIZE];
	uint64_t head;
} pinned_t;

typedef struct {
	verifier_t verifier;
	const pinned_t *pinned;
	bool head_met, head_fits;
	checkpoint_t newest;
} walk_t;

static bool hex_take (const char *text, uint8_t *out, size_t size)
{
	size_t n = 0;
	const char *end;
	return strlen (text) == 2 * size && sodium_hex2bin (out, size, text, 2 * size, NULL, &n, &end) == 0 &&
	       n == size;
}

static int pinned_parse (session_t *session, const char *key, const char *head, pinned_t *ret)
{
	if (key && !(ret->has_key = hex_take (key, ret->key, sizeof ret->key)))
		return usage_wrong (
		        session, "events", "--public-key: an Ed25519 key is 64 hexadecimal digits");
	if (head) {
		char *colon;
		errno = 0;
		ret->head = strtoull (head, &colon, 10);
		ret->has_head = ret->head && !errno && *colon == ':' &&
		                hex_take (colon + 1, ret->hash, sizeof ret->hash);
		if (!ret->has_head)
			return usage_wrong (session, "events", "--head: OFFSET:HASH, as --verify prints it");
	}
	return DONE;
}

static void walk_begin (walk_t *self, const pinned_t *pinned)
{
	memset (self, 0, sizeof *self);
	self->pinned = pinned;
	verifier_init (&self->verifier, pinned->has_key ? pinned->key : NULL);
}

static void walk_record (
        walk_t *self, const mark_t *mark, span_t topic, span_t envelope, const uint8_t hash[CHAIN_HASH_SIZE])
{
	verifier_record (&self->verifier, mark, topic, envelope, hash);
	if (self->pinned->has_head && mark->offset == self->pinned->head) {
		self->head_met = true;
		self->head_fits = memcmp (hash, self->pinned->hash, CHAIN_HASH_SIZE) == 0;
	}
}

static void walk_checkpoint (walk_t *self, const checkpoint_t *checkpoint)
{
	verifier_checkpoint (&self->verifier, checkpoint);
	if (checkpoint->offset > self->newest.offset)
		self->newest = *checkpoint;
}

/* Over control. */

static bool checkpoint_of (const Belfry__V1__Checkpoint *from, checkpoint_t *ret)
{
	if (from->journal.len != sizeof ret->journal || from->hash.len != sizeof ret->hash ||
	        from->public_key.len != sizeof ret->public_key ||
	        from->signature.len != sizeof ret->signature)
		return false;
	memcpy (ret->journal, from->journal.data, sizeof ret->journal);
	memcpy (ret->hash, from->hash.data, sizeof ret->hash);
	memcpy (ret->public_key, from->public_key.data, sizeof ret->public_key);
	memcpy (ret->signature, from->signature.data, sizeof ret->signature);
	ret->offset = from->offset;
	ret->time_ns = from->time_ns;
	return true;
}

/* The records of a page with the checkpoints between them. False where it is no page of a chain. */
static bool page_take (walk_t *self, const Belfry__V1__JournalEvents *page, uint64_t newest)
{
	size_t c = 0;
	checkpoint_t checkpoint;
	if (page->journal.len != MARK_JOURNAL_SIZE)
		return false;
	if (!self->verifier.records && page->n_frames && page->anchor_hash.len == CHAIN_HASH_SIZE)
		verifier_anchor (&self->verifier, page->frames[0]->offset - 1, page->anchor_hash.data);
	for (size_t i = 0; i < page->n_frames; i++) {
		const Belfry__V1__Frame *frame = page->frames[i];
		static const uint8_t none[CHAIN_HASH_SIZE];
		mark_t mark = { .offset = frame->offset,
			.previous_in_channel = frame->previous_in_channel,
			.late = frame->late,
			.received_ns = frame->received_ns };
		memcpy (mark.journal, page->journal.data, sizeof mark.journal);
		walk_record (self, &mark, span_str (frame->topic),
		        span_of (frame->envelope.data, frame->envelope.len),
		        frame->chain_hash.len == CHAIN_HASH_SIZE ? frame->chain_hash.data : none);
		for (; c < page->n_checkpoints && page->checkpoints[c]->offset <= frame->offset; c++) {
			if (checkpoint_of (page->checkpoints[c], &checkpoint))
				walk_checkpoint (self, &checkpoint);
		}
	}
	for (; c < page->n_checkpoints; c++) {
		/* What was signed meanwhile is of records that this walk does not look at. */
		if (checkpoint_of (page->checkpoints[c], &checkpoint) && checkpoint.offset <= newest)
			walk_checkpoint (self, &checkpoint);
	}
	return true;
}

static int walk_control (session_t *session, walk_t *self)
{
	belfry_client_t *client;
	char error[BELFRY_CLIENT_ERROR_MAX];
	belfry_client_query_t query = { .chain = true };
	uint64_t newest = 0;
	int status = reach_open (session, (belfry_client_options_t){ .keyring = NULL }, false, &client);
	for (bool last = status != DONE; !last;) {
		Belfry__V1__JournalEvents *page;
		int r = belfry_client_journal (client, &query, &page, error);
		if (r) {
			output_complain (session->output, "%s", error);
			status = reach_exit (r);
			break;
		}
		/* What comes in while this walks is not waited for. */
		if (!newest) {
			newest = page->newest_offset;
			query.until = newest;
		}
		if (!page_take (self, page, newest)) {
			output_complain (session->output, "the collector's answer is no page of a chain");
			status = ANSWER_NO;
		}
		last = page->last || page->next_offset > newest || status != DONE;
		query.from = page->next_offset;
		belfry_client_page_free (&page);
	}
	if (status == DONE)
		verifier_end (&self->verifier, newest);
	belfry_client_close (&client);
	return status;
}

/* From the files. */

typedef struct {
	walk_t *walk;
	journal_t *journal;
} offline_t;

static int on_entry (void *arg, const journal_entry_t *entry)
{
	offline_t *self = arg;
	checkpoint_t checkpoint;
	uint64_t offset = entry->mark.offset;
	walk_record (self->walk, &entry->mark, entry->topic, entry->envelope, entry->hash);
	if (journal_checkpoints (self->journal, offset, offset, &checkpoint, 1) == 1)
		walk_checkpoint (self->walk, &checkpoint);
	return 0;
}

static int walk_files (session_t *session, const char *directory, walk_t *self)
{
	const journal_options_t options = { .directory = directory, .read_only = true };
	journal_report_t report;
	journal_figures_t figures;
	journal_query_t query = { .from_offset = 0 };
	checkpoint_t head = { .offset = 0 };
	uint8_t anchor[CHAIN_HASH_SIZE];
	offline_t offline = { self, NULL };
	err_t err = { "" };
	bool last = false;
	int r = journal_open (&options, wall_now (), &offline.journal, &report, &err);
	if (!r) {
		journal_figures (offline.journal, &figures);
		query.from_offset = figures.first ? figures.first : 1;
		if (figures.first && journal_hash (offline.journal, figures.first - 1, anchor) == 0)
			verifier_anchor (&self->verifier, figures.first - 1, anchor);
	}
	while (!r && !last)
		r = journal_read (
		        offline.journal, &query, on_entry, &offline, &query.from_offset, &last, &err);
	if (!r && journal_head (offline.journal, &head) == 0)
		walk_checkpoint (self, &head);
	journal_close (&offline.journal, wall_now ());
	if (r) {
		output_complain (session->output, "%s", err.text);
		return ANSWER_NO;
	}
	verifier_end (&self->verifier, head.offset);
	return DONE;
}

static int report (session_t *session, const walk_t *self)
{
	const verifier_t *verifier = &self->verifier;
	FILE *out = session->output->out;
	char key[2 * CHAIN_PUBLIC_KEY_SIZE + 1], hash[2 * CHAIN_HASH_SIZE + 1];
	sodium_bin2hex (key, sizeof key, verifier->public_key, sizeof verifier->public_key);
	sodium_bin2hex (hash, sizeof hash, self->newest.hash, sizeof self->newest.hash);
	const char *fault = verifier->findings                           ? verifier->text.text
	                    : !self->pinned->has_head || self->head_fits ? NULL
	                    : self->head_met
	                            ? "the record of --head has another hash: the history was replaced"
	                            : "the offset of --head is not in the journal";
	uint64_t last = verifier->next ? verifier->next - 1 : 0;
	if (session->json)
		fprintf (out,
		        "{\"sound\":%s,\"records\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64
		        ",\"checkpoints\":%" PRIu64 ",\"at\":%" PRIu64
		        ",\"fault\":\"%s\",\"public_key\":\"%s\","
		        "\"head\":\"%" PRIu64 ":%s\"}\n",
		        fault ? "false" : "true", verifier->records, verifier->first, last,
		        verifier->checkpoints, verifier->at, fault ? fault : "", verifier->has_key ? key : "",
		        self->newest.offset, hash);
	else if (fault)
		fprintf (out, "not sound: %s\n", fault);
	else
		fprintf (out,
		        "sound: %" PRIu64 " records, offsets %" PRIu64 " to %" PRIu64 ", %" PRIu64
		        " checkpoints\n",
		        verifier->records, verifier->first, last, verifier->checkpoints);
	if (!session->json && verifier->has_key)
		fprintf (out, "signed by %s%s\n", key,
		        self->pinned->has_key ? "" : " (not compared: give --public-key)");
	if (!session->json && self->newest.offset)
		fprintf (out, "head %" PRIu64 ":%s\n", self->newest.offset, hash);
	return fault ? ANSWER_NO : DONE;
}

int verify (session_t *session, const char *directory, const char *key, const char *head)
{
	pinned_t pinned = { .has_key = false };
	walk_t walk;
	if (sodium_init () < 0) {
		output_complain (session->output, "libsodium does not start");
		return ANSWER_NO;
	}
	int status = pinned_parse (session, key, head, &pinned);
	if (status != DONE)
		return status;
	walk_begin (&walk, &pinned);
	status = directory ? walk_files (session, directory, &walk) : walk_control (session, &walk);
	return status == DONE ? report (session, &walk) : status;
}
