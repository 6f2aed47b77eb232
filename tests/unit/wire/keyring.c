#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/keyring.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static int parse (const char *text, keyring_t **ret, err_t *err)
{
	return keyring_parse (text, strlen (text), "k", ret, err);
}

static void refused (const char *text, const char *said)
{
	keyring_t *ring = NULL;
	err_t err = { "" };
	cr_assert_eq (parse (text, &ring, &err), -EINVAL, "%s", text);
	cr_assert_null (ring);
	cr_assert_not_null (strstr (err.text, said), "'%s' lacks '%s'", err.text, said);
}

Test (keyring, says_file_line_and_what_would_be_right)
{
	refused ("", "no key in it");
	refused ("# only a comment\n\n", "no key in it");
	refused ("1 active secret\n", "k:1: 3 words");
	refused ("\n0 active secret " A64 "\n", "k:2: epoch '0'");
	refused ("1 current secret " A64 "\n", "next|active|retiring");
	refused ("1 active node: " A64 "\n", "no node name");
	refused ("1 active whom " A64 "\n", "neither 'secret' nor 'node:NAME'");
	refused ("1 active secret abc\n", "64 hexadecimal digits");
	refused ("1 active secret " A64 "\n1 retiring secret " B64 "\n", "k:2: this epoch is there already");
	refused ("1 active secret " A64 "\n2 active secret " B64 "\n", "k:2: a second active epoch");
}

Test (keyring, a_secret_gives_every_node_its_own_key_and_keeps_it)
{
	keyring_t *ring = NULL;
	err_t err = { "" };
	cr_assert_eq (parse ("2 active secret " A64 "\n1 retiring secret " B64 "\n", &ring, &err), 0, "%s",
	        err.text);
	cr_assert (keyring_has_secret (ring));
	cr_assert_eq (keyring_active_epoch (ring, span_str ("n1")), 2);
	const mac_key_t *one = keyring_node_key (ring, 2, span_str ("n1"));
	cr_assert_not_null (one);
	cr_assert_eq (keyring_node_key (ring, 2, span_str ("n1")), one);
	cr_assert_neq (keyring_node_key (ring, 2, span_str ("n2")), one);
	cr_assert_not_null (keyring_node_key (ring, 1, span_str ("n1")));
	cr_assert_null (keyring_node_key (ring, 3, span_str ("n1")));
	uint8_t k1[MAC_KEY_SIZE], k2[MAC_KEY_SIZE];
	cr_assert_eq (keyring_derive (ring, 2, span_str ("n1"), k1), 0);
	cr_assert_eq (keyring_derive (ring, 2, span_str ("n2"), k2), 0);
	cr_assert_arr_neq (k1, k2, MAC_KEY_SIZE);
	keyring_destroy (&ring);
	cr_assert_null (ring);
}

Test (keyring, a_hardened_ring_holds_one_node_only)
{
	keyring_t *ring = NULL;
	cr_assert_eq (parse ("1 active node:n1 " A64 "\n", &ring, NULL), 0);
	cr_assert (!keyring_has_secret (ring));
	cr_assert_not_null (keyring_node_key (ring, 1, span_str ("n1")));
	cr_assert_null (keyring_node_key (ring, 1, span_str ("n2")));
	cr_assert_eq (keyring_active_epoch (ring, span_str ("n2")), 0);
	uint8_t key[MAC_KEY_SIZE];
	cr_assert_eq (keyring_derive (ring, 1, span_str ("n1"), key), 0);
	cr_assert_eq (key[0], 0xaa);
	keyring_destroy (&ring);
}

Test (keyring, thousands_of_keys_stay_where_they_are)
{
	keyring_t *ring = NULL;
	enum { N = 20000 };
	static const mac_key_t *keys[N];
	char name[16];
	cr_assert_eq (parse ("1 active secret " A64 "\n", &ring, NULL), 0);
	for (int i = 0; i < N; i++) {
		snprintf (name, sizeof name, "n%d", i);
		keys[i] = keyring_node_key (ring, 1, span_str (name));
		cr_assert_not_null (keys[i], "key %d", i);
	}
	for (int i = 0; i < N; i++) {
		snprintf (name, sizeof name, "n%d", i);
		cr_assert_eq (keyring_node_key (ring, 1, span_str (name)), keys[i]);
	}
	keyring_destroy (&ring);
}

Test (keyring, refuses_a_file_that_others_may_read)
{
	char path[] = "/tmp/belfry-keyring-XXXXXX";
	int fd = mkstemp (path);
	keyring_t *ring = NULL;
	err_t err = { "" };
	cr_assert_eq (write (fd, "1 active secret " A64 "\n", 81), 81);
	cr_assert_eq (keyring_load (path, &ring, &err), 0, "%s", err.text);
	keyring_destroy (&ring);
	fchmod (fd, 0640);
	cr_assert_eq (keyring_load (path, &ring, &err), -EACCES);
	cr_assert_not_null (strstr (err.text, "chmod 600"));
	close (fd);
	unlink (path);
	cr_assert_eq (keyring_load (path, &ring, &err), -ENOENT);
	cr_assert_not_null (strstr (err.text, "keygen secret"));
	cr_assert_eq (keyring_load ("/dev/zero", &ring, &err), -EINVAL);
}
