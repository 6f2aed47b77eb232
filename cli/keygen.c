/* Keys go to a file of the owner's alone, never to a terminal unless --out - says so. What is written
 * is read back by the keyring's own parser first: no file that a program would refuse. */

#include "cli/command.h"
#include "wire/curve_key.h"
#include "wire/keyring.h"
#include "wire/secret_file.h"
#include "wire/topic.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

typedef struct {
	uint64_t epoch;
	const char *out, *state;
	bool add;
} keygen_t;

#define AT(member) offsetof (keygen_t, member)
static const option_t options[] = {
	{ "epoch", "N", "the epoch (secret: 1; node: every one)", OPTION_COUNT, AT (epoch) },
	{ "out", "FILE", "where the key goes; - is standard output", OPTION_TEXT, AT (out) },
	{ "state", "STATE", "next, active or retiring (active; with --add next)", OPTION_TEXT, AT (state) },
	{ "add", NULL, "append the epoch to the keyring FILE", OPTION_FLAG, AT (add) },
};

static int complain (session_t *session, const err_t *err)
{
	output_complain (session->output, "%s", err->text);
	return ANSWER_NO;
}

static int file_write (
        session_t *session, const char *what, const keygen_t *values, const secret_text_t *text)
{
	err_t err = { 0 };
	if (secret_file_write (values->out, what, text, values->add, &err))
		return complain (session, &err);
	fprintf (session->output->err, "wrote %s (mode 0600)\n", values->out);
	return DONE;
}

/* Checks the text as a keyring and puts it where it belongs. */
static int keyring_write (session_t *session, const keygen_t *values, const secret_text_t *text)
{
	err_t err = { 0 };
	keyring_t *keyring;
	bool to_stdout = strcmp (values->out, "-") == 0;
	int r = keyring_parse (text->text, text->size, values->out, &keyring, &err);
	if (r)
		return complain (session, &err);
	keyring_destroy (&keyring);
	if (to_stdout) {
		fwrite (text->text, 1, text->size, session->output->out);
		return DONE;
	}
	return file_write (session, "keyring", values, text);
}

static int keyring_line (secret_text_t *text, uint32_t epoch, const char *state, const char *node,
        const uint8_t key[MAC_KEY_SIZE])
{
	char head[80];
	snprintf (
	        head, sizeof head, "%u %s %s%s ", epoch, state, node ? "node:" : "secret", node ? node : "");
	int r = secret_text_append (text, head);
	if (!r)
		r = secret_text_append_hex (text, key, MAC_KEY_SIZE);
	return r ? r : secret_text_append (text, "\n");
}

static int keygen_secret (session_t *session, const keygen_t *values)
{
	err_t err = { 0 };
	secret_text_t text = { 0 };
	const char *state = values->state ? values->state : values->add ? "next" : "active";
	int r = values->add ? secret_file_load (values->out, "keyring", "belfry keygen secret",
	                              KEYRING_FILE_MAX, &text, &err)
	                    : secret_text_new (KEYRING_FILE_MAX, &text, &err);
	if (!r) {
		uint8_t key[MAC_KEY_SIZE];
		bool open_end = text.size > 0 && text.text[text.size - 1] != '\n';
		randombytes_buf (key, sizeof key);
		r = open_end ? secret_text_append (&text, "\n") : 0;
		if (!r)
			r = keyring_line (
			        &text, (uint32_t) (values->epoch ? values->epoch : 1), state, NULL, key);
		sodium_memzero (key, sizeof key);
		if (r)
			error_set (&err, r, "%s: larger than a keyring may be", values->out);
	}
	int status = r ? complain (session, &err) : keyring_write (session, values, &text);
	secret_text_free (&text);
	return status;
}

typedef struct {
	keyring_t *keyring;
	secret_text_t *text;
	const char *node;
	uint64_t epoch; /* 0: all */
	unsigned n;
	int r;
} derive_t;

static void derive_epoch (void *arg, uint32_t epoch, key_state_t state, span_t node)
{
	static const char *const states[] = { "", "next", "active", "retiring" };
	derive_t *self = arg;
	uint8_t key[MAC_KEY_SIZE];
	if (self->r || node.size > 0 || (self->epoch && self->epoch != epoch))
		return;
	self->r = keyring_derive (self->keyring, epoch, span_str (self->node), key);
	if (!self->r)
		self->r = keyring_line (self->text, epoch, states[state], self->node, key);
	sodium_memzero (key, sizeof key);
	self->n++;
}

static int keygen_node (session_t *session, const keygen_t *values, const char *node)
{
	const char *file = session->config->keyring;
	err_t err = { 0 };
	secret_text_t text = { 0 };
	keyring_t *keyring = NULL;
	int r = keyring_load (file, &keyring, &err);
	if (!r)
		r = secret_text_new (KEYRING_FILE_MAX, &text, &err);
	if (!r) {
		derive_t derive = { .keyring = keyring, .text = &text, .node = node, .epoch = values->epoch };
		keyring_visit (keyring, derive_epoch, &derive);
		if (derive.r)
			r = error_set (
			        &err, derive.r, "%s: no key can be derived: %s", file, strerror (-derive.r));
		else if (derive.n == 0 && !keyring_has_secret (keyring))
			r = error_set (&err, -ENOKEY,
			        "%s holds no cluster secret, only nodes' keys: none can be derived", file);
		else if (derive.n == 0)
			r = error_set (&err, -ENOKEY, "%s holds no epoch %llu", file,
			        (unsigned long long) values->epoch);
	}
	int status = r ? complain (session, &err) : keyring_write (session, values, &text);
	secret_text_free (&text);
	keyring_destroy (&keyring);
	return status;
}

/* The public key goes to standard output, whatever becomes of the secret: it is what others need. */
static int keygen_curve (session_t *session, const keygen_t *values)
{
	err_t err = { 0 };
	secret_text_t text = { 0 };
	curve_key_t *key = NULL;
	bool to_stdout = strcmp (values->out, "-") == 0;
	int r = curve_key_make (&key, &err);
	if (!r)
		r = secret_text_new (CURVE_KEY_FILE_MAX, &text, &err);
	if (!r && (r = curve_key_append (key, &text)))
		error_set (&err, r, "%s: %s", values->out, strerror (-r));
	int status = DONE;
	if (r)
		status = complain (session, &err);
	else if (to_stdout)
		fwrite (text.text, 1, text.size, session->output->out);
	else if ((status = file_write (session, "CURVE key", values, &text)) == DONE)
		fprintf (session->output->out, "%s\n", key->public_text);
	secret_text_free (&text);
	curve_key_destroy (&key);
	return status;
}

static int run (session_t *session, const void *values_, const words_t *words)
{
	const keygen_t *values = values_;
	const char *what = words->n > 0 ? words->at[0] : "";
	bool secret = strcmp (what, "secret") == 0, node = strcmp (what, "node") == 0;
	bool curve = strcmp (what, "curve") == 0;
	if (!secret && !node && !curve)
		return usage_wrong (session, "keygen",
		        *what ? "keygen makes a secret, a node's key or a CURVE key, not '%s'"
		              : "keygen what? 'secret', 'node NAME' or 'curve'%s",
		        what);
	if (words->n != (node ? 2u : 1u))
		return usage_wrong (session, "keygen",
		        node ? "keygen node takes one name: keygen node NAME"
		             : "keygen %s takes no further words",
		        what);
	if (!values->out)
		return usage_wrong (
		        session, "keygen", "--out FILE says where the key goes (- is standard output)");
	if (curve && (values->epoch || values->state || values->add))
		return usage_wrong (session, "keygen", "a CURVE key has neither epoch nor state: no --%s",
		        values->epoch   ? "epoch"
		        : values->state ? "state"
		                        : "add");
	if (curve)
		return keygen_curve (session, values);
	if (values->epoch > UINT32_MAX)
		return usage_wrong (session, "keygen", "an epoch is at most 4294967295");
	if (secret) {
		static const char *const states[] = { "next", "active", "retiring", NULL };
		bool known = !values->state;
		for (size_t i = 0; states[i] && !known; i++)
			known = strcmp (values->state, states[i]) == 0;
		if (!known)
			return usage_wrong (session, "keygen",
			        "--state %s: one of next, active, retiring is wanted", values->state);
		if (values->add && strcmp (values->out, "-") == 0)
			return usage_wrong (
			        session, "keygen", "--add needs a keyring to append to: --out FILE");
		return keygen_secret (session, values);
	}
	if (values->state || values->add)
		return usage_wrong (session, "keygen",
		        "keygen node takes states and epochs from the keyring: no --%s",
		        values->state ? "state" : "add");
	if (!topic_name_valid (span_str (words->at[1]), TOPIC_NODE_MAX))
		return usage_wrong (session, "keygen",
		        "'%s' is no node name: at most %d of [A-Za-z0-9._-], a letter or digit first",
		        words->at[1], TOPIC_NODE_MAX);
	if (!session->config->keyring)
		return usage_wrong (session, "keygen",
		        "keygen node needs the cluster's keyring: --keyring FILE or BELFRY_KEYRING");
	return keygen_node (session, values, words->at[1]);
}

const command_t command_keygen = {
	.name = "keygen",
	.synopsis = "secret|curve --out FILE | keygen node NAME --out FILE",
	.summary = "make a cluster secret, one node's key from it, or a CURVE key",
	.text = "secret: 32 random bytes as an epoch of a keyring. FILE is made with mode 0600\n"
	        "and never overwritten; --add appends another epoch to it, as next unless --state\n"
	        "says otherwise. node: the keyring of one node alone, derived from the cluster's\n"
	        "(--keyring or BELFRY_KEYRING): a stolen node then holds no other node's key.\n"
	        "Lines of a keyring: EPOCH next|active|retiring secret|node:NAME HEX64.\n"
	        "curve: a key pair for one program or person, as a ZeroMQ certificate; the public\n"
	        "key is printed, for the collector's directory of clients or, where it is the\n"
	        "collector's own, for server_key.",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.values_size = sizeof (keygen_t),
	.run = run,
};
