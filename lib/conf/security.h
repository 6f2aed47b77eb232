/* security.h - the one of two forms in which a program runs: keyed, or insecure because it was said
 * (interfaces.md, "Configuration"). */

#ifndef CONF_SECURITY_H
#define CONF_SECURITY_H

#include "conf/table.h"

typedef struct {
	char *keyring;      /* path, or NULL: then insecure is true */
	bool insecure;      /* events are neither signed nor checked */
	bool insecure_bind; /* insecure off loopback too */
	char *curve;        /* path; always NULL in this release, as are the next two */
	char *clients;      /* collector: a directory */
	char *server_key;   /* agent: Z85 */
} security_config_t;

/* One address that the rule of loopback holds for, an endpoint or HOST:PORT. */
typedef struct {
	char key[48];            /* "collectors[0].stream" */
	const char *value;       /* NULL: not given */
	const conf_node_t *node; /* NULL: the default is in force */
} security_address_t;

/* Says what breaks the rules: neither or both forms; an address off loopback; CURVE, which this
 * release cannot do. root: the whole configuration's map. */
void security_check (conf_fill_t *fill, const security_config_t *self, const conf_node_t *root,
        const security_address_t *addresses, size_t n);

/* Whether text has the form of a CURVE public key: 40 characters of Z85. */
bool security_z85_valid (const char *text);

#endif
