#include "conf/security.h"

#include <stdio.h>
#include <string.h>

#include "conf/value.h"

bool security_z85_valid (const char *text)
{
	static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                          ".-:+=^!/*?&<>()[]{}@%$#";
	return strlen (text) == 40 && strspn (text, z85) == 40;
}

static bool off_loopback (const char *value)
{
	endpoint_t endpoint;
	int flags = ENDPOINT_BIND | ENDPOINT_LOCAL;
	int r = strstr (value, "://") ? value_endpoint (value, flags, &endpoint, NULL)
	                              : value_host_port (value, flags, &endpoint, NULL);
	return r == 0 && !endpoint_is_loopback (&endpoint);
}

/* Says what is wrong with a key of `security`, at its line. */
#define security_wrong(fill, security, key, ...) \
	conf_wrong_at (fill, key_line (security, key), "security." key, __VA_ARGS__)

static size_t key_line (const conf_node_t *security, const char *key)
{
	const conf_node_t *node = conf_node_find (security, key);
	return node ? node->key_line : security ? security->key_line : 0;
}

static void curve_check (
        conf_fill_t *fill, const security_config_t *self, const conf_node_t *security, const char *partner)
{
	bool curve = conf_node_find (security, "curve") != NULL;
	bool partnered = conf_node_find (security, partner) != NULL;
	char path[sizeof "security." + 16];
	snprintf (path, sizeof path, "security.%s", partner);
	if (self->server_key && !security_z85_valid (self->server_key))
		security_wrong (fill, security, "server_key",
		        "is no Z85 key of 40 characters, as `belfry keygen curve` prints it");
	if (curve && self->insecure)
		security_wrong (fill, security, "curve",
		        "stands beside insecure: true; CURVE goes with a keyring, so keep one of the two");
	else if (curve && !partnered)
		security_wrong (fill, security, "curve", "needs security.%s beside it: %s", partner,
		        strcmp (partner, "clients") == 0 ? "the directory of the keys that may connect"
		                                         : "the collector's public key");
	else if (partnered && !curve)
		conf_wrong_at (fill, key_line (security, partner), path,
		        "means nothing without security.curve, the file of the own key");
}

void security_check (conf_fill_t *fill, const security_config_t *self, const conf_node_t *root,
        const char *partner, const security_address_t *addresses, size_t n)
{
	const conf_node_t *security = conf_node_find (root, "security");
	/* A key that is there but wrong was said already: only what was meant counts. */
	bool keyed = conf_node_find (security, "keyring") != NULL;
	bool curve = conf_node_find (security, "curve") != NULL;
	bool wrong_insecure = conf_node_find (security, "insecure") && !self->insecure && !keyed;
	if (keyed && self->insecure)
		security_wrong (fill, security, "insecure",
		        "stands beside 'keyring', and a program runs keyed or insecure: keep one");
	if (!keyed && !self->insecure)
		conf_wrong (fill, root, "security",
		        "nothing runs unkeyed: give security.keyring, or say insecure: true (loopback "
		        "only)%s",
		        wrong_insecure ? "; insecure: false is neither" : "");
	if (self->insecure_bind && !self->insecure)
		security_wrong (fill, security, "insecure_bind", "means nothing without insecure: true");
	curve_check (fill, self, security, partner);
	for (size_t i = 0; i < n; i++) {
		const security_address_t *address = &addresses[i];
		size_t line = address->node ? address->node->line : 0;
		if (!address->value || !off_loopback (address->value))
			continue;
		if (self->insecure && !keyed && !self->insecure_bind)
			conf_wrong_at (fill, line, address->key,
			        "'%s' is off loopback, where insecure: true stays unless insecure_bind: true "
			        "stands beside it",
			        address->value);
		else if (keyed && !self->insecure && !curve)
			conf_wrong_at (fill, line, address->key,
			        "'%s' is off loopback, where a keyring needs CURVE: give security.curve and "
			        "security.%s, or use 127.0.0.1",
			        address->value, partner);
	}
}
