/* secret_file.h - files that hold keys: whole or not at all, for their owner alone. Text lives in
 * sodium's guarded memory. */

#ifndef CLI_SECRET_FILE_H
#define CLI_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Text that grows up to a keyring's size; guarded, wiped when freed. */
typedef struct {
	char *text; /* terminated */
	size_t size, room;
} secret_text_t;

/* 0, or -ENOMEM with err set. */
int secret_text_new (secret_text_t *ret, err_t *err);
void secret_text_free (secret_text_t *self);
/* 0; -EFBIG, unchanged, when it does not fit. */
int secret_text_append (secret_text_t *self, const char *text);
int secret_text_append_hex (secret_text_t *self, const void *bytes, size_t size);

/* Reads a whole file behind what is there. 0 or negative errno with err set. */
int secret_file_read (const char *file, secret_text_t *text, err_t *err);

/* Writes a file of mode 0600 that is whole on disk before it has its name. replace: false refuses a
 * file that is there (-EEXIST). 0 or negative errno with err set; then nothing changed. */
int secret_file_write (const char *file, const secret_text_t *text, bool replace, err_t *err);

#endif
