#include "wire/role.h"

#include <stdio.h>

static const char *const words[ROLE_COUNT] = { "none", "agent", "viewer", "operator", "enrol" };

const char *role_word (role_t role)
{
	return (unsigned) role < ROLE_COUNT ? words[role] : words[ROLE_NONE];
}

role_t role_of (span_t word)
{
	for (role_t role = ROLE_AGENT; role < ROLE_COUNT; role++) {
		if (span_is (word, words[role]))
			return role;
	}
	return ROLE_NONE;
}

char *user_format (role_t role, const char *name, char out[ROLE_USER_MAX + 1])
{
	snprintf (out, ROLE_USER_MAX + 1, "%s %s", role_word (role), name);
	return out;
}

bool user_parse (const char *text, user_t *ret)
{
	*ret = (user_t){ .role = ROLE_NONE };
	if (!text)
		return true;
	const char *space = strchr (text, ' ');
	span_t name = span_str (space ? space + 1 : "");
	role_t role = space ? role_of (span_of (text, (size_t) (space - text))) : ROLE_NONE;
	if (role == ROLE_NONE || !topic_name_valid (name, ROLE_NAME_MAX))
		return false;
	ret->role = role;
	memcpy (ret->name, name.data, name.size);
	return true;
}
