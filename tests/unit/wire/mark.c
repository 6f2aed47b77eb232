#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "belfry/v1/envelope.pb-c.h"
#include "wire/chain.h"

static mark_t mark_of (uint64_t offset, uint64_t previous, bool late, uint64_t received)
{
	mark_t mark = {
		.offset = offset, .previous_in_channel = previous, .late = late, .received_ns = received
	};
	memset (mark.journal, 0xab, sizeof mark.journal);
	return mark;
}

Test (mark, is_what_protobuf_reads_and_writes)
{
	const mark_t marks[] = { mark_of (1, 0, false, 1), mark_of (300, 299, true, UINT64_C (1) << 63),
		mark_of (UINT64_MAX, UINT64_MAX - 1, true, UINT64_MAX), mark_of (7, 3, false, 0) };
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		uint8_t bytes[MARK_SIZE_MAX], other[MARK_SIZE_MAX];
		size_t n = mark_pack (&marks[i], bytes);
		Belfry__V1__Mark *read = belfry__v1__mark__unpack (NULL, n, bytes);
		cr_assert_not_null (read);
		cr_expect_eq (read->offset, marks[i].offset);
		cr_expect_eq (read->previous_in_channel, marks[i].previous_in_channel);
		cr_expect_eq (!!read->late, marks[i].late);
		cr_expect_eq (read->received_ns, marks[i].received_ns);
		cr_expect_eq (belfry__v1__mark__pack (read, other), n);
		cr_expect_eq (memcmp (bytes, other, n), 0);
		belfry__v1__mark__free_unpacked (read, NULL);
		mark_t back;
		cr_assert (mark_parse (span_of (bytes, n), &back));
		cr_expect_eq (back.offset, marks[i].offset);
		cr_expect_eq (memcmp (back.journal, marks[i].journal, sizeof back.journal), 0);
		for (size_t cut = 0; cut < n; cut++)
			cr_expect (
			        !mark_parse (span_of (bytes, cut), &back) || cut >= 20, "%zu of %zu", cut, n);
	}
}

Test (mark, refuses_what_is_none)
{
	uint8_t bytes[2 * MARK_SIZE_MAX];
	mark_t good = mark_of (5, 4, false, 9), back;
	size_t n = mark_pack (&good, bytes);
	bytes[n] = 6 << 3;
	bytes[n + 1] = 1;
	cr_expect_not (mark_parse (span_of (bytes, n + 2), &back), "an unknown field");
	memcpy (bytes + n, "\x10\x06", 2);
	cr_expect_not (mark_parse (span_of (bytes, n + 2), &back), "a field that comes back");
	good.previous_in_channel = 5;
	cr_expect_not (
	        mark_parse (span_of (bytes, mark_pack (&good, bytes)), &back), "a predecessor that is none");
	cr_expect_not (mark_parse (span_of ("\x10\x05", 2), &back), "no journal");
	bytes[1] = 15;
	cr_expect_not (mark_parse (span_of (bytes, n), &back), "a short journal");
}

Test (chain, binds_every_part_of_a_record_and_all_before_it)
{
	uint8_t zero[CHAIN_HASH_SIZE] = { 0 }, first[CHAIN_HASH_SIZE], other[CHAIN_HASH_SIZE];
	mark_t mark = mark_of (1, 0, false, 10);
	span_t topic = span_str ("audit/admin/demo/n1/agent/"), envelope = span_str ("bytes");
	chain_hash (zero, &mark, topic, envelope, first);
	for (int change = 0; change < 7; change++) {
		mark_t m = mark;
		span_t t = topic, e = envelope;
		uint8_t before[CHAIN_HASH_SIZE] = { 0 };
		switch (change) {
		case 0:
			m.offset++;
			break;
		case 1:
			m.late = true;
			break;
		case 2:
			m.received_ns++;
			break;
		case 3:
			m.previous_in_channel++;
			break;
		case 4:
			m.journal[3] ^= 1;
			break;
		case 5:
			t.size--;
			break;
		default:
			before[31] = 1;
			break;
		}
		chain_hash (before, &m, t, e, other);
		cr_expect_neq (memcmp (first, other, sizeof first), 0, "%d", change);
	}
}

Test (chain, checkpoints_hold_for_their_key_alone)
{
	uint8_t secret[CHAIN_SECRET_KEY_SIZE];
	checkpoint_t checkpoint = { .offset = 1000, .time_ns = 5 };
	cr_assert_geq (sodium_init (), 0);
	crypto_sign_keypair (checkpoint.public_key, secret);
	checkpoint_sign (&checkpoint, secret);
	cr_expect (checkpoint_verify (&checkpoint));
	checkpoint_t other = checkpoint;
	other.offset++;
	cr_expect_not (checkpoint_verify (&other));
	other = checkpoint;
	other.time_ns++;
	cr_expect_not (checkpoint_verify (&other));
	other = checkpoint;
	other.journal[0] ^= 1;
	cr_expect_not (checkpoint_verify (&other));
	other = checkpoint;
	other.hash[0] ^= 1;
	cr_expect_not (checkpoint_verify (&other));
	crypto_sign_keypair (other.public_key, secret);
	cr_expect_not (checkpoint_verify (&other));
}
