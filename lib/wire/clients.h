/* clients.h - the directory of the CURVE keys that may connect: files of lines `KEY ROLE NAME`, the key in Z85,
 * the role agent, viewer or operator. Blank lines and lines that begin with '#' (no key does) are passed
 * over, as are names that begin with a dot. A key stands there once; a name may have several keys. */

#ifndef WIRE_CLIENTS_H
#define WIRE_CLIENTS_H

#include "wire/role.h"
#include "wire/z85.h"

enum { CLIENTS_MAX = 100000, CLIENTS_FILES_MAX = 20000, CLIENTS_FILE_MAX = 16 * 1024 * 1024 };

typedef struct {
	uint8_t key[Z85_KEY_SIZE];
	role_t role;
	char name[ROLE_NAME_MAX + 1];
	const char *file; /* its path; the clients' own */
	unsigned line;
} clients_entry_t;

typedef struct {
	clients_entry_t *items; /* by file's name and line */
	size_t n, room;
	char **files;
	size_t n_files;
} clients_t;

/* Something that is wrong: line 0 where it is the file's, or the directory's. */
typedef void clients_error_fn (void *arg, const char *file, unsigned line, const char *text);

/* Reads every file of the directory; both belong to root or this user and are not for others to write. 0;
 * or, with everything that is wrong said and *ret untouched, -EINVAL, -EACCES, -ENOMEM, or what opening
 * failed with. */
int clients_load (const char *directory, clients_error_fn *error, void *arg, clients_t **ret);
/* One file's text; name stands for it. */
int clients_parse (
        const char *text, size_t size, const char *name, clients_error_fn *error, void *arg, clients_t **ret);
/* Frees and nulls. NULL-safe. */
void clients_destroy (clients_t **self_p);

#endif
