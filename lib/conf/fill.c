/* The walk: each key of a map meets its option, and whatever does not fit is said and passed by, so
 * that one run finds everything. The path of keys to here is kept for the messages. */

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/field.h"
#include "conf/word.h"

enum { FILL_PATH_MAX = 256, KEYS_MAX = 48 };

struct conf_fill {
	const char *file;
	conf_errors_t *errors;
	const conf_table_t *root;
	char path[FILL_PATH_MAX];
	size_t path_size;
	bool wrong, no_memory;
};

/* --- saying what is wrong ------------------------------------------------------------------- */

static size_t path_push (conf_fill_t *self, const char *format, ...) PRINTF_LIKE (2, 3);

/* Returns the size to go back to. */
static size_t path_push (conf_fill_t *self, const char *format, ...)
{
	size_t before = self->path_size;
	va_list args;
	va_start (args, format);
	int n = vsnprintf (self->path + before, sizeof self->path - before, format, args);
	va_end (args);
	if (n > 0 && before + (size_t) n < sizeof self->path)
		self->path_size += (size_t) n;
	else
		self->path[before] = '\0';
	return before;
}

static size_t path_push_key (conf_fill_t *self, const char *key)
{
	return path_push (self, "%s%s", self->path_size ? "." : "", key);
}

static void path_pop (conf_fill_t *self, size_t size)
{
	self->path_size = size;
	self->path[size] = '\0';
}

static void say (conf_fill_t *self, size_t line, const char *text)
{
	self->wrong = true;
	if (self->path_size)
		conf_errors_add (self->errors, self->file, line, "key '%s': %s", self->path, text);
	else
		conf_errors_add (self->errors, self->file, line, "%s", text);
}

void conf_wrong (conf_fill_t *self, const conf_node_t *node, const char *key, const char *format, ...)
{
	err_t err;
	va_list args;
	va_start (args, format);
	vsnprintf (err.text, sizeof err.text, format, args);
	va_end (args);
	const conf_node_t *child = key ? conf_node_find (node, key) : NULL;
	size_t before = key ? path_push_key (self, key) : self->path_size;
	say (self, child ? child->key_line : node ? node->key_line : 0, err.text);
	path_pop (self, before);
}

void conf_wrong_at (conf_fill_t *self, size_t line, const char *key, const char *format, ...)
{
	err_t err;
	va_list args;
	va_start (args, format);
	vsnprintf (err.text, sizeof err.text, format, args);
	va_end (args);
	size_t before = self->path_size;
	char path[FILL_PATH_MAX];
	memcpy (path, self->path, sizeof path);
	path_pop (self, 0);
	path_push_key (self, key);
	say (self, line, err.text);
	memcpy (self->path, path, sizeof path);
	self->path_size = before;
}

static const conf_option_t *option_find (const conf_table_t *table, const char *key)
{
	for (size_t i = 0; i < table->n; i++) {
		if (strcmp (table->options[i].key, key) == 0)
			return &table->options[i];
	}
	return NULL;
}

/* Whether key is known somewhere below table; then path says where: "security". */
static bool key_elsewhere (const conf_table_t *table, const char *key, char *path, size_t size)
{
	for (size_t i = 0; i < table->n; i++) {
		const conf_option_t *option = &table->options[i];
		if (!option->table)
			continue;
		int n = snprintf (path, size, "%s", option->key);
		if (n < 0 || (size_t) n + 2 >= size)
			return false;
		if (option_find (option->table, key))
			return true;
		path[n] = '.';
		if (key_elsewhere (option->table, key, path + n + 1, size - (size_t) n - 1))
			return true;
	}
	return false;
}

/* Returns the key that was meant, or NULL. */
static const char *unknown_say (conf_fill_t *self, const conf_table_t *table, const conf_node_t *child)
{
	const char *known[KEYS_MAX];
	char all[320] = "", elsewhere[FILL_PATH_MAX], quoted[WORD_QUOTED_MAX];
	size_t at = 0;
	assert (table->n < KEYS_MAX);
	for (size_t i = 0; i < table->n; i++) {
		known[i] = table->options[i].key;
		if (at < sizeof all)
			at += (size_t) snprintf (all + at, sizeof all - at, "%s%s", i ? ", " : "", known[i]);
	}
	known[table->n] = NULL;
	err_t err;
	if (self->errors->n == CONF_ERRORS_MAX) {
		say (self, child->key_line, "unknown"); /* only counted: a hostile file has thousands */
		return NULL;
	}
	const char *nearest = word_nearest (child->key, known);
	word_quote (child->key, quoted);
	quoted[strlen (quoted) - 1] = '\0'; /* say's quotes go round the whole path */
	if (nearest)
		error_set (&err, 0, "unknown; did you mean '%s'?", nearest);
	else if (key_elsewhere (self->root, child->key, elsewhere, sizeof elsewhere))
		error_set (&err, 0, "unknown here; it belongs under '%s'", elsewhere);
	else
		error_set (&err, 0, "unknown; the keys here are %s", all);
	size_t before = path_push_key (self, quoted + 1);
	say (self, child->key_line, err.text);
	path_pop (self, before);
	return nearest;
}

/* --- lists ---------------------------------------------------------------------------------- */

typedef struct {
	const char *text;
	size_t index;
	const conf_node_t *node;
} entry_t;

static int by_text (const void *a, const void *b)
{
	const entry_t *x = a, *y = b;
	int order = strcmp (x->text, y->text);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Says which of n entries stand twice; what ("name", or NULL) is the key within the entry. */
static void entries_unique (conf_fill_t *self, entry_t *entries, size_t n, const char *what)
{
	qsort (entries, n, sizeof *entries, by_text);
	const entry_t *first = entries;
	for (size_t i = 1; i < n; i++) {
		if (strcmp (first->text, entries[i].text) != 0) {
			first = &entries[i];
			continue;
		}
		err_t err;
		char quoted[WORD_QUOTED_MAX];
		const conf_node_t *then = what ? conf_node_find (first->node, what) : first->node;
		const conf_node_t *now = what ? conf_node_find (entries[i].node, what) : entries[i].node;
		error_set (&err, 0, "%s stands here for the second time; first on line %u",
		        word_quote (first->text, quoted), then ? (unsigned) then->line : 0);
		size_t before =
		        path_push (self, "[%zu]%s%s", entries[i].index, what ? "." : "", what ? what : "");
		say (self, now ? now->line : 0, err.text);
		path_pop (self, before);
	}
}

static void strings_fill (
        conf_fill_t *self, const conf_option_t *option, void *field, const conf_node_t *node)
{
	conf_strings_t *strings = field;
	entry_t *entries = calloc (node->n + 1, sizeof *entries);
	char **items = calloc (node->n + 1, sizeof *items);
	if (!entries || !items) {
		free (entries);
		free (items);
		self->no_memory = true;
		return;
	}
	strings->items = items;
	size_t index = 0;
	for (const conf_node_t *child = node->first; child; child = child->next, index++) {
		err_t err;
		int r = child->kind == CONF_SCALAR ? field_check_text (option, child->text, &err)
		                                   : error_set (&err, -EINVAL, "is %s, where text should be",
		                                             conf_kind_name (child->kind));
		if (r == 0) {
			entries[strings->n] = (entry_t){ child->text, index, child };
			items[strings->n] = strdup (child->text);
			if (items[strings->n])
				strings->n++;
			else
				self->no_memory = true;
		} else if (child->kind != CONF_REFUSED) {
			size_t before = path_push (self, "[%zu]", index);
			say (self, child->line, err.text);
			path_pop (self, before);
		}
	}
	if (option->flags & CONF_UNIQUE)
		entries_unique (self, entries, strings->n, NULL);
	free (entries);
}

static void numbers_fill (
        conf_fill_t *self, const conf_option_t *option, void *field, const conf_node_t *node)
{
	conf_numbers_t *numbers = field;
	numbers->items = calloc (node->n + 1, sizeof *numbers->items);
	if (!numbers->items) {
		self->no_memory = true;
		return;
	}
	size_t index = 0;
	for (const conf_node_t *child = node->first; child; child = child->next, index++) {
		err_t err;
		int r = child->kind == CONF_SCALAR
		                ? field_check_number (option, child->text, &numbers->items[numbers->n], &err)
		                : error_set (&err, -EINVAL, "is %s, where a number should be",
		                          conf_kind_name (child->kind));
		if (r == 0) {
			numbers->n++;
		} else if (child->kind != CONF_REFUSED) {
			size_t before = path_push (self, "[%zu]", index);
			say (self, child->line, err.text);
			path_pop (self, before);
		}
	}
}

static void pairs_fill (conf_fill_t *self, void *field, const conf_node_t *node)
{
	conf_pairs_t *pairs = field;
	pairs->items = calloc (node->n + 1, sizeof *pairs->items);
	if (!pairs->items) {
		self->no_memory = true;
		return;
	}
	for (const conf_node_t *child = node->first; child; child = child->next) {
		err_t err;
		if (child->kind != CONF_SCALAR) {
			if (child->kind == CONF_REFUSED)
				continue;
			char quoted[WORD_QUOTED_MAX];
			error_set (&err, 0, "%s has %s, where text should be",
			        word_quote (child->key, quoted), conf_kind_name (child->kind));
			say (self, child->key_line, err.text);
			continue;
		}
		conf_pair_t pair = { strdup (child->key), strdup (child->text) };
		if (!pair.key || !pair.value) {
			free (pair.key);
			free (pair.value);
			self->no_memory = true;
			return;
		}
		pairs->items[pairs->n++] = pair;
	}
}

static void object_fill (conf_fill_t *self, const conf_table_t *table, void *object, const conf_node_t *node);

/* For each of the keys in option->unique. */
static void objects_unique (
        conf_fill_t *self, const conf_option_t *option, const field_list_t *list, const conf_node_t *node)
{
	char keys[64], *rest = NULL;
	entry_t *entries = calloc (list->n + 1, sizeof *entries);
	if (!entries) {
		self->no_memory = true;
		return;
	}
	assert (strlen (option->unique) < sizeof keys);
	strcpy (keys, option->unique);
	for (char *key = strtok_r (keys, " ", &rest); key; key = strtok_r (NULL, " ", &rest)) {
		const conf_option_t *unique = option_find (option->table, key);
		const conf_node_t *child = node->first;
		size_t n = 0;
		assert (unique && unique->type <= CONF_HOST_PORT);
		for (size_t i = 0; i < list->n; i++, child = child->next) {
			const char *item = (const char *) list->items + i * option->table->size;
			const char *const *text = field_of (unique, item);
			if (*text)
				entries[n++] = (entry_t){ *text, i, child };
		}
		if (n > 1)
			entries_unique (self, entries, n, key);
	}
	free (entries);
}

static void objects_fill (
        conf_fill_t *self, const conf_option_t *option, void *field, const conf_node_t *node)
{
	field_list_t *list = field;
	list->items = calloc (node->n + 1, option->table->size);
	if (!list->items) {
		self->no_memory = true;
		return;
	}
	size_t index = 0;
	for (const conf_node_t *child = node->first; child; child = child->next, index++) {
		void *item = (char *) list->items + index * option->table->size;
		if (conf_object_init (option->table, item) < 0) {
			self->no_memory = true;
			return;
		}
		list->n++;
		size_t before = path_push (self, "[%zu]", index);
		object_fill (self, option->table, item, child);
		path_pop (self, before);
	}
	if (option->unique)
		objects_unique (self, option, list, node);
}

/* --- the walk ------------------------------------------------------------------------------- */

static conf_kind_t kind_wanted (conf_type_t type)
{
	if (field_is_scalar (type))
		return CONF_SCALAR;
	return type == CONF_OBJECT || type == CONF_PAIRS ? CONF_MAP : CONF_LIST;
}

static void option_fill (
        conf_fill_t *self, const conf_option_t *option, void *object, const conf_node_t *node)
{
	err_t err;
	int r = 0;
	void *field = field_at (option, object);
	if (node->kind == CONF_REFUSED)
		return;
	if (option->type == CONF_UNSUPPORTED) {
		/* An empty list asks for nothing. */
		if (node->kind != CONF_LIST || node->n > 0)
			say (self, node->key_line, "not supported by this release yet; leave it out");
		return;
	}
	if (option->type == CONF_OBJECT && node->kind != CONF_SCALAR) {
		object_fill (self, option->table, field, node);
		return;
	}
	if (node->kind == CONF_NULL) {
		error_set (
		        &err, 0, "has no value; give %s, or leave the key out", field_wanted (option->type));
		say (self, node->key_line, err.text);
		return;
	}
	if (node->kind != kind_wanted (option->type)) {
		error_set (&err, 0, "is %s, where %s should be", conf_kind_name (node->kind),
		        field_wanted (option->type));
		say (self, node->key_line, err.text);
		return;
	}
	if (field_is_scalar (option->type)) {
		r = field_set (option, object, node->text, &err);
	} else {
		r = field_check_count (option, node->n, &err);
		if (r == 0) {
			field_clear (option, object);
			if (option->type == CONF_OBJECTS)
				objects_fill (self, option, field, node);
			else if (option->type == CONF_PAIRS)
				pairs_fill (self, field, node);
			else if (option->type == CONF_NUMBERS)
				numbers_fill (self, option, field, node);
			else
				strings_fill (self, option, field, node);
		}
	}
	if (r == -ENOMEM)
		self->no_memory = true;
	else if (r < 0)
		say (self, node->line, err.text);
}

static void missing_say (conf_fill_t *self, const conf_option_t *option, const conf_node_t *node)
{
	conf_wrong (
	        self, node, option->key, "missing; give %s: %s", field_wanted (option->type), option->text);
}

/* node: a map, or nothing at all, which lacks what is required like an empty one. */
static void object_fill (conf_fill_t *self, const conf_table_t *table, void *object, const conf_node_t *node)
{
	if (node->kind == CONF_REFUSED)
		return;
	if (node->kind != CONF_MAP && node->kind != CONF_NULL) {
		err_t err;
		error_set (&err, 0, "is %s, where a map of keys should be", conf_kind_name (node->kind));
		say (self, node->key_line, err.text);
		return;
	}
	const char *meant[KEYS_MAX];
	size_t n_meant = 0;
	for (const conf_node_t *child = node->first; child; child = child->next) {
		const conf_option_t *option = option_find (table, child->key);
		if (!option) {
			const char *key = unknown_say (self, table, child);
			if (key && n_meant < KEYS_MAX)
				meant[n_meant++] = key;
			continue;
		}
		size_t before = path_push_key (self, child->key);
		option_fill (self, option, object, child);
		path_pop (self, before);
	}
	for (size_t i = 0; i < table->n; i++) {
		const conf_option_t *option = &table->options[i];
		bool mistyped = false;
		for (size_t j = 0; j < n_meant; j++)
			mistyped = mistyped || meant[j] == option->key;
		if (option->flags & CONF_REQUIRED && !mistyped && !conf_node_find (node, option->key))
			missing_say (self, option, node);
	}
	if (table->check)
		table->check (self, object, node);
}

int conf_object_fill (const conf_table_t *table, const conf_tree_t *tree, void *object, conf_errors_t *errors)
{
	conf_fill_t self = { .file = conf_tree_file (tree), .errors = errors, .root = table };
	object_fill (&self, table, object, conf_tree_root (tree));
	return self.no_memory ? -ENOMEM : self.wrong ? -EINVAL : 0;
}

int conf_object_set (const conf_table_t *table, void *object, const char *key, const char *text,
        const char *origin, conf_errors_t *errors)
{
	err_t err;
	const conf_option_t *option = option_find (table, key);
	int r = option ? field_set (option, object, text, &err)
	               : error_set (&err, -EINVAL, "there is no key '%s'", key);
	if (r < 0 && r != -ENOMEM) {
		conf_errors_add (errors, origin, 0, "%s", err.text);
		return -EINVAL;
	}
	return r;
}

int conf_object_init (const conf_table_t *table, void *object)
{
	memset (object, 0, table->size);
	for (size_t i = 0; i < table->n; i++) {
		const conf_option_t *option = &table->options[i];
		int r = 0;
		if (option->value)
			r = field_set (option, object, option->value, NULL);
		else if (option->type == CONF_NUMBER || option->type == CONF_RATIO)
			*(double *) field_at (option, object) = NAN;
		else if (option->type == CONF_OBJECT)
			r = conf_object_init (option->table, field_at (option, object));
		assert (r == 0 || r == -ENOMEM);
		if (r < 0) {
			conf_object_clear (table, object);
			return r;
		}
	}
	return 0;
}

void conf_object_clear (const conf_table_t *table, void *object)
{
	for (size_t i = 0; i < table->n; i++)
		field_clear (&table->options[i], object);
	memset (object, 0, table->size);
}
