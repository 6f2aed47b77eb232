#include "wire/curve_key.h"
#include "wire/secret_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int key_new (curve_key_t **ret, err_t *err)
{
	if (sodium_init () < 0)
		return error_set (err, -EIO, "libsodium does not start");
	curve_key_t *self = calloc (1, sizeof *self);
	if (!self || !(self->secret = sodium_malloc (Z85_KEY_SIZE))) {
		free (self);
		return error_set (err, -ENOMEM, "no guarded memory for keys (see `ulimit -l`)");
	}
	*ret = self;
	return 0;
}

int curve_key_make (curve_key_t **ret, err_t *err)
{
	curve_key_t *self = NULL;
	int r = key_new (&self, err);
	if (r)
		return r;
	crypto_box_keypair (self->public, self->secret);
	z85_encode (self->public, self->public_text);
	*ret = self;
	return 0;
}

int curve_key_from_secret (const uint8_t secret[Z85_KEY_SIZE], curve_key_t **ret, err_t *err)
{
	curve_key_t *self = NULL;
	int r = key_new (&self, err);
	if (r)
		return r;
	memcpy (self->secret, secret, Z85_KEY_SIZE);
	if (crypto_scalarmult_base (self->public, self->secret) != 0) {
		curve_key_destroy (&self);
		return error_set (err, -EINVAL, "is no CURVE secret key");
	}
	z85_encode (self->public, self->public_text);
	*ret = self;
	return 0;
}

void curve_key_destroy (curve_key_t **self_p)
{
	curve_key_t *self = *self_p;
	if (!self)
		return;
	sodium_free (self->secret); /* wipes */
	free (self);
	*self_p = NULL;
}

typedef struct {
	uint8_t secret[Z85_KEY_SIZE], public[Z85_KEY_SIZE];
	bool has_secret, has_public;
	bool in_curve; /* below the section `curve` */
} parsed_t;

/* VALUE in `= "VALUE"`, quoted or not, with nothing but blanks around it. */
static bool value_of (const char *at, const char **ret, size_t *ret_size)
{
	at += strspn (at, " \t");
	if (*at++ != '=')
		return false;
	at += strspn (at, " \t");
	char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
	size_t size = quote ? strcspn (at, quote == '"' ? "\"" : "'") : strcspn (at, " \t\r");
	if (quote && at[size] != quote)
		return false;
	const char *rest = at + size + (quote != '\0');
	*ret = at;
	*ret_size = size;
	return rest[strspn (rest, " \t\r")] == '\0';
}

static int line_parse (parsed_t *self, const char *line, const char *name, unsigned number, err_t *err)
{
	size_t indent = strspn (line, " \t");
	const char *at = line + indent, *value;
	size_t word = strcspn (at, " \t\r="), size;
	if (*at == '\0' || *at == '\r' || *at == '#')
		return 0;
	if (indent == 0) {
		self->in_curve = word == 5 && strncmp (at, "curve", word) == 0;
		return 0;
	}
	if (!self->in_curve)
		return 0;
	bool secret = word == 10 && strncmp (at, "secret-key", word) == 0;
	bool public = word == 10 && strncmp (at, "public-key", word) == 0;
	if (!secret && !public)
		return error_set (err, -EINVAL, "%s:%u: '%.*s' is neither public-key nor secret-key", name,
		        number, word < 40 ? (int) word : 40, at);
	if (secret ? self->has_secret : self->has_public)
		return error_set (err, -EINVAL, "%s:%u: a second %.10s", name, number, at);
	if (!value_of (at + word, &value, &size) ||
	        !z85_decode (value, size, secret ? self->secret : self->public))
		return error_set (err, -EINVAL, "%s:%u: want %.10s = \"KEY\", a key of 40 characters of Z85",
		        name, number, at);
	self->has_secret = self->has_secret || secret;
	self->has_public = self->has_public || public;
	return 0;
}

static int text_parse (parsed_t *parsed, char *text, const char *name, err_t *err)
{
	unsigned number = 0;
	int r = 0;
	for (char *line = text, *next; line && !r; line = next) {
		char *newline = strchr (line, '\n');
		next = newline ? newline + 1 : NULL;
		if (newline)
			*newline = '\0';
		r = line_parse (parsed, line, name, ++number, err);
	}
	if (r)
		return r;
	if (!parsed->has_secret)
		return error_set (err, -EINVAL,
		        "%s: no secret-key below 'curve'; `belfry keygen curve --out %s` makes a key", name,
		        name);
	return 0;
}

int curve_key_parse (const char *text, size_t size, const char *name, curve_key_t **ret, err_t *err)
{
	if (sodium_init () < 0)
		return error_set (err, -EIO, "libsodium does not start");
	if (size > CURVE_KEY_FILE_MAX || memchr (text, '\0', size))
		return error_set (err, -EINVAL, "%s: holds a NUL byte, or more than %d bytes: no CURVE key",
		        name, CURVE_KEY_FILE_MAX);
	char *copy = sodium_malloc (size + 1);
	parsed_t *parsed = sodium_malloc (sizeof *parsed);
	curve_key_t *key = NULL;
	int r = -ENOMEM;
	if (!copy || !parsed) {
		error_set (err, r, "%s: no guarded memory (see `ulimit -l`)", name);
	} else {
		memcpy (copy, text, size);
		copy[size] = '\0';
		*parsed = (parsed_t){ .has_secret = false };
		r = text_parse (parsed, copy, name, err);
		if (!r && (r = curve_key_from_secret (parsed->secret, &key, err)))
			error_prefix (err, "%s: ", name);
		if (!r && parsed->has_public && memcmp (parsed->public, key->public, Z85_KEY_SIZE) != 0)
			r = error_set (
			        err, -EINVAL, "%s: its public-key is not that of its secret-key", name);
	}
	if (copy)
		sodium_free (copy);
	if (parsed)
		sodium_free (parsed);
	if (r) {
		curve_key_destroy (&key);
		return r;
	}
	*ret = key;
	return 0;
}

int curve_key_load (const char *file, curve_key_t **ret, err_t *err)
{
	secret_text_t text;
	int r = secret_file_load (file, "CURVE key", "belfry keygen curve", CURVE_KEY_FILE_MAX, &text, err);
	if (r)
		return r;
	r = curve_key_parse (text.text, text.size, file, ret, err);
	secret_text_free (&text);
	return r;
}

int curve_key_append (const curve_key_t *self, secret_text_t *text)
{
	char secret[Z85_TEXT_SIZE + 1];
	const char *const parts[] = {
		"#   ZeroMQ CURVE **Secret** Certificate, made by Belfry.\n"
		"#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n"
		"metadata\ncurve\n    public-key = \"",
		self->public_text, "\"\n    secret-key = \"", z85_encode (self->secret, secret), "\"\n"
	};
	int r = 0;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !r; i++)
		r = secret_text_append (text, parts[i]);
	sodium_memzero (secret, sizeof secret);
	return r;
}
