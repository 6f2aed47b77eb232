/* secret_file.h - files that hold keys: read only where they are their owner's alone, written whole or not at
 * all. Text lives in sodium's guarded memory. */

#ifndef WIRE_SECRET_FILE_H
#define WIRE_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Text that grows up to room; guarded, wiped when freed. */
typedef struct {
	char *text; /* terminated */
	size_t size, room;
} secret_text_t;

/* 0, or -ENOMEM with err set. */
int secret_text_new (size_t room, secret_text_t *ret, err_t *err);
void secret_text_free (secret_text_t *self);
/* 0; -EFBIG, unchanged, when it does not fit. */
int secret_text_append (secret_text_t *self, const char *text);
int secret_text_append_hex (secret_text_t *self, const void *bytes, size_t size);

/* Reads a regular file of this user or root, for its owner alone, of at most size_max bytes. what: "keyring",
 * for err. make: the command that makes one. *ret has size_max as its room. 0; -EACCES for its mode or owner,
 * -EINVAL for what is no regular file or too large, -ENOMEM, or open(2)'s errno, each with err. */
int secret_file_load (const char *file, const char *what, const char *make, size_t size_max,
        secret_text_t *ret, err_t *err);

/* Writes a file of mode 0600 that is whole on disk before it has its name. what: "keyring", for err. replace:
 * false refuses a file that is there (-EEXIST). 0 or negative errno with err set; then nothing changed. */
int secret_file_write (
        const char *file, const char *what, const secret_text_t *text, bool replace, err_t *err);

#endif
