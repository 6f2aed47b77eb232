/* check.h - `belfry check FILE`: which kind of file it is, and everything that is wrong with it. */

#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/errors.h"

typedef enum {
	CONF_FILE_AGENT = 1,
	CONF_FILE_COLLECTOR, /* its rule files are checked with it */
	CONF_FILE_OPERATOR,
	CONF_FILE_RULES
} conf_file_t;

/* Reads and validates. The kind is told by the keys of the first level. 0 with *ret set; or what
 * the loader of that kind returned, with errors set; -EINVAL when it is none of them. */
int conf_check_file (const char *file, conf_file_t *ret, conf_errors_t *errors);

/* "agent configuration", ... */
const char *conf_file_name (conf_file_t kind);

#endif
