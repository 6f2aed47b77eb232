/* curve_key.h - one's own CURVE key, and its file: a ZeroMQ certificate as czmq and pyzmq write and read it,
 *
 *	curve
 *	    public-key = "Z85"
 *	    secret-key = "Z85"
 *
 * with any `metadata` above. The secret lives in guarded memory and is wiped. Not thread-safe. */

#ifndef WIRE_CURVE_KEY_H
#define WIRE_CURVE_KEY_H

#include "base/error.h"
#include "wire/secret_file.h"
#include "wire/z85.h"

enum { CURVE_KEY_FILE_MAX = 8 * 1024 };

typedef struct {
	uint8_t *secret; /* Z85_KEY_SIZE bytes, guarded */
	uint8_t public[Z85_KEY_SIZE];
	char public_text[Z85_TEXT_SIZE + 1];
} curve_key_t;

/* A new pair of random keys. 0, or -ENOMEM with err. */
int curve_key_make (curve_key_t **ret, err_t *err);
/* Reads a file by the rules of a keyring's: a regular file of this user or root, for its owner alone. 0;
 * -EACCES, -EINVAL, -ENOMEM or open(2)'s errno, each with err naming file and line. */
int curve_key_load (const char *file, curve_key_t **ret, err_t *err);
/* The same from text; name stands for the file. */
int curve_key_parse (const char *text, size_t size, const char *name, curve_key_t **ret, err_t *err);
/* The pair that belongs to a secret. 0, -EINVAL when it is none, -ENOMEM. */
int curve_key_from_secret (const uint8_t secret[Z85_KEY_SIZE], curve_key_t **ret, err_t *err);
/* Wipes, frees and nulls. NULL-safe. */
void curve_key_destroy (curve_key_t **self_p);

/* Puts the file's text behind what is there. 0, or -EFBIG. */
int curve_key_append (const curve_key_t *self, secret_text_t *text);

#endif
