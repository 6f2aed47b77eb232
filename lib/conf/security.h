/* security.h - the one of two forms in which a program runs: keyed, or insecure because it was said
 * (interfaces.md, "Configuration"). */

#ifndef CONF_SECURITY_H
#define CONF_SECURITY_H

#include "conf/table.h"

typedef struct {
	char *keyring;      /* path, or NULL: then insecure is true */
	bool insecure;      /* events are neither signed nor checked */
	bool insecure_bind; /* insecure off loopback too */
	char *curve;        /* path of the own CURVE key, or NULL: loopback only */
	char *clients;      /* collector, with curve: the directory of the keys that may connect */
	char *server_key;   /* agent, with curve: the collector's public key in Z85 */
} security_config_t;

/* One address that the rule of loopback holds for, an endpoint or HOST:PORT. */
typedef struct {
	char key[48];            /* "collectors[0].stream" */
	const char *value;       /* NULL: not given */
	const conf_node_t *node; /* NULL: the default is in force */
} security_address_t;

/* Says what breaks the rules: neither or both forms; an address off loopback without CURVE; half of CURVE.
 * root: the whole configuration's map. partner: what belongs to `curve` here, "clients" or "server_key". */
void security_check (conf_fill_t *fill, const security_config_t *self, const conf_node_t *root,
        const char *partner, const security_address_t *addresses, size_t n);

/* Whether text has the form of a CURVE public key: 40 characters of Z85. */
bool security_z85_valid (const char *text);

#endif
