/* option.h - the macros that turn a .def file into a table. Included by the source that owns the
 * table, before its .def.
 *
 *   TABLE (agent_probe_nodes)
 *   OPTION (struct agent_probe_nodes, interval_ns, "interval", DURATION, CONF_RELOAD, "100ms..10s",
 *           "200ms", "", "How often the peers are probed.")
 *   TABLE_END (agent_probe_nodes, struct agent_probe_nodes, "the peers' probe", NULL)
 *
 * makes agent_probe_nodes_table. A field whose C type is not the option's does not compile. */

#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "conf/table.h"

/* An offset that compiles only where the field has that C type. */
#define CONF_AT(type, field, ctype) \
	(offsetof (type, field) + 0 * sizeof (&((type *) 0)->field == (ctype *) 0))
#define CONF_CTYPE_STRING char *
#define CONF_CTYPE_PATH char *
#define CONF_CTYPE_NAME char *
#define CONF_CTYPE_ENDPOINT char *
#define CONF_CTYPE_HOST_PORT char *
#define CONF_CTYPE_BOOL bool
#define CONF_CTYPE_UNSIGNED uint64_t
#define CONF_CTYPE_SIZE uint64_t
#define CONF_CTYPE_DURATION int64_t
#define CONF_CTYPE_NUMBER double
#define CONF_CTYPE_RATIO double
#define CONF_CTYPE_STRINGS conf_strings_t
#define CONF_CTYPE_NAMES conf_strings_t
#define CONF_CTYPE_NUMBERS conf_numbers_t
#define CONF_CTYPE_PAIRS conf_pairs_t

#define TABLE(name) static const conf_option_t name##_options[] = {
#define OPTION(type, field, key, kind, flags, range, value, unit, text)                                      \
	{ key, CONF_##kind, CONF_AT (type, field, CONF_CTYPE_##kind), flags, range, value, unit, text, NULL, \
		NULL, NULL },
#define OPTION_WORD(type, field, key, flags, words, value, text) \
	{ key, CONF_WORD, CONF_AT (type, field, int), flags, "", value, "", text, words, NULL, NULL },
#define OPTION_OBJECT(type, field, key, flags, element, table, text) \
	{ key, CONF_OBJECT, CONF_AT (type, field, element), flags, "", NULL, "", text, NULL, &table, NULL },
#define OPTION_LIST(type, field, key, flags, range, element, table, unique, text)                        \
	{ key, CONF_OBJECTS, offsetof (type, field) + 0 * CONF_AT (type, field.items, element *), flags, \
		range, NULL, "", text, NULL, &table, unique },
#define OPTION_UNSUPPORTED(key, text) { key, CONF_UNSUPPORTED, 0, 0, "", NULL, "", text, NULL, NULL, NULL },
#define TABLE_END(name, type, title, check)                                      \
	}                                                                        \
	;                                                                        \
	static const conf_table_t name##_table = { #name, title, name##_options, \
		sizeof name##_options / sizeof name##_options[0], sizeof (type), check };

#endif
