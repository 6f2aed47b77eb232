#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/curve_key.h"

/* The key pair of the ZMTP specification's example (rfc.zeromq.org/spec/32 and zmq_curve(7)). */
#define PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

static int parse (const char *text, curve_key_t **ret, err_t *err)
{
	return curve_key_parse (text, strlen (text), "key", ret, err);
}

static void refused (const char *text, const char *word)
{
	curve_key_t *key = NULL;
	err_t err = { "" };
	cr_assert_eq (parse (text, &key, &err), -EINVAL, "%s", text);
	cr_assert_null (key);
	cr_assert_not_null (strstr (err.text, word), "'%s' lacks '%s'", err.text, word);
}

Test (z85, the_specifications_keys_come_and_go)
{
	static const char *const keys[] = { PUBLIC, SECRET, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
		"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6" };
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		uint8_t key[Z85_KEY_SIZE];
		char text[Z85_TEXT_SIZE + 1];
		cr_assert (z85_decode (keys[i], Z85_TEXT_SIZE, key));
		cr_assert_str_eq (z85_encode (key, text), keys[i]);
	}
}

Test (z85, what_is_no_key_is_refused)
{
	static const char *const none[] = { "", "short", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID0",
		"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI~", "#####D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%" };
	uint8_t key[Z85_KEY_SIZE];
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		cr_assert_not (z85_decode (none[i], strlen (none[i]), key), "'%s'", none[i]);
	/* What begins a comment in a file of clients begins no key. */
	cr_assert_not (z85_decode ("#000000000000000000000000000000000000000", Z85_TEXT_SIZE, key));
	cr_assert (z85_decode ("%000000000000000000000000000000000000000", Z85_TEXT_SIZE, key));
	static const char nul[Z85_TEXT_SIZE] = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{h";
	cr_assert_not (z85_decode (nul, sizeof nul, key));
}

Test (curve_key, files_of_czmq_and_pyzmq_are_read)
{
	static const char *const texts[] = {
		"#   ****  Generated on 2026-11-24 by CZMQ  ****\n#   ZeroMQ CURVE **Secret** Certificate\n\n"
		"metadata\n    name = \"n1\"\ncurve\n    public-key = \"" PUBLIC
		"\"\n    secret-key = \"" SECRET "\"\n",
		"curve\n\tsecret-key='" SECRET "'\r\n",
		"curve\n secret-key = " SECRET "\n public-key = " PUBLIC,
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		curve_key_t *key = NULL;
		err_t err = { "" };
		cr_assert_eq (parse (texts[i], &key, &err), 0, "%s", err.text);
		cr_assert_str_eq (key->public_text, PUBLIC);
		curve_key_destroy (&key);
		cr_assert_null (key);
	}
}

Test (curve_key, what_is_written_is_read_back)
{
	curve_key_t *made = NULL, *read = NULL;
	secret_text_t text = { 0 };
	err_t err = { "" };
	cr_assert_eq (curve_key_make (&made, &err), 0);
	cr_assert_eq (secret_text_new (CURVE_KEY_FILE_MAX, &text, &err), 0);
	cr_assert_eq (curve_key_append (made, &text), 0);
	cr_assert_eq (curve_key_parse (text.text, text.size, "key", &read, &err), 0, "%s", err.text);
	cr_assert_str_eq (read->public_text, made->public_text);
	cr_assert_arr_eq (read->secret, made->secret, Z85_KEY_SIZE);
	curve_key_destroy (&read);
	curve_key_destroy (&made);
	secret_text_free (&text);
}

Test (curve_key, two_keys_differ)
{
	curve_key_t *a = NULL, *b = NULL;
	cr_assert_eq (curve_key_make (&a, NULL), 0);
	cr_assert_eq (curve_key_make (&b, NULL), 0);
	cr_assert_str_neq (a->public_text, b->public_text);
	curve_key_destroy (&a);
	curve_key_destroy (&b);
}

Test (curve_key, what_is_wrong_is_named_with_its_line)
{
	refused ("", "belfry keygen curve");
	refused ("secret-key = \"" SECRET "\"\n", "no secret-key below 'curve'");
	refused ("curve\n    public-key = \"" PUBLIC "\"\n", "no secret-key");
	refused ("metadata\ncurve\n    secret-key = \"short\"\n", "key:3: want secret-key");
	refused ("curve\n    secret-key \"" SECRET "\"\n", "key:2: want secret-key");
	refused ("curve\n    secret-key = \"" SECRET "\n", "key:2:");
	refused ("curve\n    secret-key = \"" SECRET "\" x\n", "key:2:");
	refused ("curve\n    secret-key = \"" SECRET "\"\n    secret-key = \"" SECRET "\"\n",
	        "key:3: a second");
	refused ("curve\n    sekret-key = \"" SECRET "\"\n", "key:2: 'sekret-key' is neither");
	refused ("curve\n    secret-key = \"" SECRET "\"\n    public-key = \"" SECRET "\"\n",
	        "public-key is not that of its secret-key");
}

Test (curve_key, bytes_that_are_no_text_are_refused)
{
	curve_key_t *key = NULL;
	err_t err = { "" };
	static const char nul[] = "curve\n\0";
	cr_assert_eq (curve_key_parse (nul, sizeof nul, "key", &key, &err), -EINVAL);
	static char large[CURVE_KEY_FILE_MAX + 1];
	memset (large, '#', sizeof large);
	cr_assert_eq (curve_key_parse (large, sizeof large, "key", &key, &err), -EINVAL);
	cr_assert_null (key);
}

Test (curve_key, a_file_is_its_owners_alone)
{
	char file[] = "/tmp/belfry-curve-XXXXXX";
	int fd = mkstemp (file);
	curve_key_t *key = NULL;
	err_t err = { "" };
	cr_assert_geq (dprintf (fd, "curve\n    secret-key = \"%s\"\n", SECRET), 0);
	close (fd);
	cr_assert_eq (curve_key_load (file, &key, &err), 0, "%s", err.text);
	curve_key_destroy (&key);
	cr_assert_eq (chmod (file, 0640), 0);
	cr_assert_eq (curve_key_load (file, &key, &err), -EACCES);
	cr_assert_not_null (strstr (err.text, "chmod 600"));
	unlink (file);
	cr_assert_eq (curve_key_load (file, &key, &err), -ENOENT);
	cr_assert_not_null (strstr (err.text, "belfry keygen curve"));
	cr_assert_eq (curve_key_load ("/tmp", &key, &err), -EINVAL);
	cr_assert_null (key);
}
