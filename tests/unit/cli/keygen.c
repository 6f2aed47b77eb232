/* Keys in files: for their owner alone, whole, never overwritten. */

#include "capture.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/curve_key.h"
#include "wire/keyring.h"

static char directory[64], path[128], other[128];
static capture_t capture;

static void setup (void)
{
	snprintf (directory, sizeof directory, "/tmp/belfry-keygen-XXXXXX");
	cr_assert_not_null (mkdtemp (directory));
	snprintf (path, sizeof path, "%s/keyring", directory);
	snprintf (other, sizeof other, "%s/n1.keyring", directory);
	unsetenv ("BELFRY_KEYRING");
}

static void teardown (void)
{
	unlink (path);
	unlink (other);
	cr_assert_eq (rmdir (directory), 0, "nothing else is left behind");
}
TestSuite (keygen, .init = setup, .fini = teardown);

static char *file_text (const char *file)
{
	static char text[4096];
	FILE *in = fopen (file, "r");
	cr_assert_not_null (in, "%s", file);
	size_t n = fread (text, 1, sizeof text - 1, in);
	fclose (in);
	text[n] = '\0';
	return text;
}

static void expect_mode (const char *file)
{
	struct stat st;
	cr_assert_eq (stat (file, &st), 0);
	cr_assert_eq (st.st_mode & 07777, 0600, "%o", st.st_mode & 07777);
}

static void expect_loads (const char *file, bool secret)
{
	keyring_t *keyring = NULL;
	err_t err = { "" };
	cr_assert_eq (keyring_load (file, &keyring, &err), 0, "%s", err.text);
	cr_assert_eq (keyring_has_secret (keyring), secret);
	keyring_destroy (&keyring);
}

Test (keygen, a_secret_is_for_its_owner_alone_and_no_program_refuses_it)
{
	mode_t mask = umask (0);
	cr_assert_eq (RUN ("keygen", "secret", "--epoch", "3", "--out", path), 0, "%s", capture.err);
	umask (mask);
	expect_mode (path);
	expect_loads (path, true);
	const char *text = file_text (path);
	cr_assert_eq (strncmp (text, "3 active secret ", 16), 0, "%s", text);
	cr_assert_eq (strlen (text), 16 + 64 + 1);
	EXPECT_HAS (capture.err, "0600");
	cr_assert_str_eq (capture.out, "");
}

Test (keygen, two_secrets_differ)
{
	cr_assert_eq (RUN ("keygen", "secret", "--out", path), 0);
	cr_assert_eq (RUN ("keygen", "secret", "--out", other), 0);
	char first[200];
	snprintf (first, sizeof first, "%s", file_text (path));
	cr_assert_str_neq (first, file_text (other));
}

Test (keygen, what_is_there_is_not_overwritten)
{
	cr_assert_eq (RUN ("keygen", "secret", "--out", path), 0);
	char before[200];
	snprintf (before, sizeof before, "%s", file_text (path));
	cr_assert_eq (RUN ("keygen", "secret", "--out", path), 1);
	EXPECT_HAS (capture.err, "never overwritten");
	EXPECT_HAS (capture.err, path);
	cr_assert_str_eq (file_text (path), before);
}

Test (keygen, another_epoch_is_appended_as_next)
{
	cr_assert_eq (RUN ("keygen", "secret", "--epoch", "1", "--out", path), 0);
	cr_assert_eq (RUN ("keygen", "secret", "--epoch", "2", "--add", "--out", path), 0, "%s", capture.err);
	expect_mode (path);
	expect_loads (path, true);
	EXPECT_HAS (file_text (path), "\n2 next secret ");
	cr_assert_eq (RUN ("keygen", "secret", "--epoch", "2", "--add", "--out", path), 1,
	        "an epoch has one secret");
	expect_loads (path, true);
}

Test (keygen, a_nodes_key_is_the_clusters_derived)
{
	cr_assert_eq (RUN ("keygen", "secret", "--out", path), 0);
	cr_assert_eq (RUN ("keygen", "node", "n1", "--keyring", path, "--out", other), 0, "%s", capture.err);
	expect_mode (other);
	expect_loads (other, false);
	cr_assert_eq (strncmp (file_text (other), "1 active node:n1 ", 17), 0);
	keyring_t *whole = NULL, *alone = NULL;
	cr_assert_eq (keyring_load (path, &whole, NULL), 0);
	cr_assert_eq (keyring_load (other, &alone, NULL), 0);
	uint8_t a[MAC_SIZE], b[MAC_SIZE];
	span_t n1 = span_str ("n1");
	mac_event (keyring_node_key (whole, 1, n1), n1, n1, a);
	mac_event (keyring_node_key (alone, 1, n1), n1, n1, b);
	cr_assert (mac_equal (a, b));
	cr_assert_null (keyring_node_key (alone, 1, span_str ("n2")));
	keyring_destroy (&whole);
	keyring_destroy (&alone);
	cr_assert_eq (RUN ("keygen", "node", "n2", "--keyring", other, "--out", "-"), 1);
	EXPECT_HAS (capture.err, "no cluster secret");
}

Test (keygen, a_curve_key_is_a_certificate_and_its_public_half_is_printed)
{
	mode_t mask = umask (0);
	cr_assert_eq (RUN ("keygen", "curve", "--out", path), 0, "%s", capture.err);
	umask (mask);
	expect_mode (path);
	curve_key_t *key = NULL;
	err_t err = { "" };
	cr_assert_eq (curve_key_load (path, &key, &err), 0, "%s", err.text);
	cr_assert_eq (strncmp (capture.out, key->public_text, Z85_TEXT_SIZE), 0);
	cr_assert_str_eq (capture.out + Z85_TEXT_SIZE, "\n");
	curve_key_destroy (&key);
	cr_assert_eq (RUN ("keygen", "curve", "--out", path), 1);
	EXPECT_HAS (capture.err, "a CURVE key is never overwritten");
	cr_assert_eq (RUN ("keygen", "curve", "--out", "-"), 0);
	EXPECT_HAS (capture.out, "secret-key = ");
}

Test (keygen, to_standard_output_when_that_is_asked_for)
{
	cr_assert_eq (RUN ("keygen", "secret", "--out", "-"), 0);
	cr_assert_eq (strncmp (capture.out, "1 active secret ", 16), 0);
}

Test (keygen, wrong_usage_is_said)
{
	static const struct {
		const char *args[6], *word;
	} cases[] = {
		{ { "keygen" }, "keygen what?" },
		{ { "keygen", "secert" }, "'secert'" },
		{ { "keygen", "secret" }, "--out FILE" },
		{ { "keygen", "secret", "x", "--out", "-" }, "no further words" },
		{ { "keygen", "node", "--out", "-" }, "one name" },
		{ { "keygen", "node", "-n", "--out", "-" }, "two dashes" },
		{ { "keygen", "node", "a/b", "--out", "-" }, "no node name" },
		{ { "keygen", "node", "n1", "--out", "-" }, "BELFRY_KEYRING" },
		{ { "keygen", "secret", "--epoch", "0" }, "at least 1" },
		{ { "keygen", "secret", "--state=old", "--out", "-" }, "next, active, retiring" },
		{ { "keygen", "secret", "--add", "--out", "-" }, "append" },
		{ { "keygen", "curve" }, "--out FILE" },
		{ { "keygen", "curve", "n1", "--out", "-" }, "no further words" },
		{ { "keygen", "curve", "--add", "--out", "-" }, "no --add" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t argc = 0;
		while (argc < 6 && cases[i].args[argc])
			argc++;
		cr_assert_eq (capture_run (&capture, argc, cases[i].args), 2, "%s", cases[i].word);
		EXPECT_HAS (capture.err, cases[i].word);
	}
}

Test (keygen, a_file_that_cannot_be_written_is_said)
{
	cr_assert_eq (RUN ("keygen", "secret", "--out", "/nonexistent/keyring"), 1);
	EXPECT_HAS (capture.err, "/nonexistent/keyring");
	cr_assert_eq (RUN ("keygen", "secret", "--add", "--out", path), 1);
	EXPECT_HAS (capture.err, path);
}
