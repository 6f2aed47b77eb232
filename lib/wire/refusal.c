#include "wire/refusal.h"

static const struct {
	const char *key, *help;
} refusals[REFUSAL_COUNT] = {
	{ "none", "let in" },
#define REFUSAL(name, key, help) { key, help },
#include "wire/refusal.def"
#undef REFUSAL
};

const char *refusal_key (refusal_t reason)
{
	return refusals[reason < REFUSAL_COUNT ? reason : 0].key;
}
const char *refusal_help (refusal_t reason)
{
	return refusals[reason < REFUSAL_COUNT ? reason : 0].help;
}
