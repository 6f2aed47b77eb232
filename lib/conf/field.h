/* field.h - one option's field in a struct: set from text, defaulted, compared, freed. The room's own. */

#ifndef CONF_FIELD_H
#define CONF_FIELD_H

#include "conf/table.h"
#include "conf/value.h"

static inline void *field_at (const conf_option_t *option, void *object)
{
	return (char *) object + option->offset;
}
static inline const void *field_of (const conf_option_t *option, const void *object)
{
	return (const char *) object + option->offset;
}

/* Whether one word of text fills the option: neither list, map, object nor unsupported. */
bool field_is_scalar (conf_type_t type);

/* Parses text by the option's type and range and stores it; what the field held is freed.
 * 0; -EINVAL or -ERANGE with err, -ENOMEM, and the field untouched. */
int field_set (const conf_option_t *option, void *object, const char *text, err_t *err);

/* Checks text as an element of a list: NAMES' grammar, or just text. */
int field_check_text (const conf_option_t *option, const char *text, err_t *err);
/* An element of NUMBERS within its range. */
int field_check_number (const conf_option_t *option, const char *text, uint64_t *ret, err_t *err);
/* Whether n elements are within the option's range; err says how many there may be. */
int field_check_count (const conf_option_t *option, size_t n, err_t *err);

/* Gives back what the field owns and zeroes it. */
void field_clear (const conf_option_t *option, void *object);

/* Lists as they are laid out in the structs, whatever their element. */
typedef struct {
	void *items;
	size_t n;
} field_list_t;

/* "a duration such as 200ms", for "is a list, where ... should be". */
const char *field_wanted (conf_type_t type);

#endif
