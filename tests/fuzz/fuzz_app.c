/* fuzz_app.c - what an application sends, packet by packet: each behind its length (u16, big-endian), the
 * first byte of the input says whether the kernel would vouch for it. What is let in must be publishable,
 * and what is published must hold before any receiver. */

#include "expect.h"

#include <string.h>

#include "agents/caller.h"
#include "wire/decode.h"
#include "wire/describe.h"
#include "wire/envelope.h"
#include "wire/publisher.h"
#include "wire/validate.h"

static arena_t *arena, *receiver;
static publisher_t *publisher;
static unsigned emitted;

/* As a collector looks at it. */
static void receive (void *arg, span_t topic_bytes, span_t bytes)
{
	envelope_t envelope;
	topic_t topic;
	(void) arg;
	EXPECT (topic_parse (topic_bytes.data, topic_bytes.size, &topic) == 0);
	EXPECT (envelope_parse (bytes.data, bytes.size, &envelope) == REFUSAL_NONE);
	arena_reset (receiver);
	Belfry__V1__Event *event = NULL;
	int r = decode_event (envelope.event, receiver, &event);
	EXPECT (r == 0 || (r < 0 && arena_exhausted (receiver)));
	EXPECT (!event || event_validate (event, NULL) == 0);
	EXPECT (!span_is (topic.source, "agent") && !span_is (topic.source, "collector"));
	EXPECT (!span_is (topic.channel, "fabric"));
	emitted++;
}

static void setup (void)
{
	publisher_options_t options = { .cluster = "demo", .node = "n1", .incarnation = 1, .boot_nonce = 1 };
	EXPECT (arena_new (ARENA_FIRST_DEFAULT, CALLER_ARENA_CAP, &arena) == 0);
	EXPECT (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &receiver) == 0);
	EXPECT (publisher_new (&options, receive, NULL, &publisher, NULL) == 0);
}

static void event_take (caller_t *caller, caller_word_t *word, moment_t now)
{
	const event_type_t *type = event_type_of (word->event);
	err_t err = { "" };
	unsigned before = emitted;
	EXPECT (type && type->channel != CHANNEL_FABRIC);
	EXPECT (caller->trusted || (type->channel != CHANNEL_AUDIT && type->channel != CHANNEL_SECURITY));
	EXPECT (word->note.n_labels >= 2 && word->note.n_labels <= CALLER_LABELS_MAX);
	EXPECT (strcmp (word->note.labels[0]->value, "1000") == 0);
	int r = publisher_send (publisher, word->event, &word->note, now, &err);
	if (r)
		fprintf (stderr, "%s\n", err.text);
	EXPECT (r == 0 && emitted == before + 1);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	if (!arena)
		setup ();
	if (size == 0)
		return 0;
	caller_t caller;
	moment_t now = { { NS_PER_S }, { INT64_C (1700000000) * NS_PER_S } };
	caller_init (&caller, 1000, 42, data[0] & 1, now.mono);
	const uint8_t *at = data + 1, *end = data + size;
	bool open = true;
	while (open && end - at >= 2) {
		size_t length = (size_t) at[0] << 8 | at[1];
		at += 2;
		length = length > (size_t) (end - at) ? (size_t) (end - at) : length;
		bool greeted = caller.source[0];
		caller_word_t word;
		caller_take (&caller, arena, span_of (at, length), now, &word);
		EXPECT (greeted || word.meaning == CALLER_HELLO || word.meaning == CALLER_BROKEN);
		EXPECT (word.meaning != CALLER_HELLO || !greeted);
		EXPECT (word.meaning < CALLER_REFUSED || word.reason_text[0]);
		if (word.meaning == CALLER_EVENT) {
			event_take (&caller, &word, now);
			if (data[0] & 2)
				caller_untaken (&caller, &word, CALLER_UNTAKEN, "so");
		}
		open = word.meaning != CALLER_BROKEN;
		at += length;
		now.mono.ns += NS_PER_MS;
		now.wall.ns += NS_PER_MS;
	}
	caller_clear (&caller);
	return 0;
}
