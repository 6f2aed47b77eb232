/* The tree is built from libyaml's events, not from its document: so anchors, depth and the number
 * of nodes are refused as they come, before they cost anything. Nodes and text live in one arena
 * that dies with the tree. */

#include "conf/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "base/utf8.h"
#include "conf/word.h"

enum { CHUNK_SIZE = 16 * 1024 };

typedef struct chunk chunk_t;
struct chunk {
	chunk_t *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

struct conf_tree {
	chunk_t *chunks;
	const char *file;
	conf_node_t *root;
};

typedef struct {
	conf_tree_t *tree;
	conf_errors_t *errors;
	const char *text;
	size_t size, nodes;
	conf_node_t *open[CONF_DEPTH_MAX];
	size_t depth;
	const char *key; /* read, and waiting for its value */
	uint32_t key_line;
	bool flawed, done;
} builder_t;

static void *tree_alloc (conf_tree_t *self, size_t size)
{
	size = (size + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
	chunk_t *chunk = self->chunks;
	if (!chunk || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = malloc (sizeof *chunk + room);
		if (!chunk)
			return NULL;
		*chunk = (chunk_t){ self->chunks, 0, room };
		self->chunks = chunk;
	}
	void *memory = chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

static const char *tree_copy (conf_tree_t *self, const void *text, size_t size)
{
	char *copy = tree_alloc (self, size + 1);
	if (copy) {
		memcpy (copy, text, size);
		copy[size] = '\0';
	}
	return copy;
}

void conf_tree_destroy (conf_tree_t **self_p)
{
	if (!*self_p)
		return;
	for (chunk_t *chunk = (*self_p)->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free (chunk);
	}
	free (*self_p);
	*self_p = NULL;
}

const char *conf_tree_file (const conf_tree_t *self)
{
	return self->file;
}

const conf_node_t *conf_tree_root (const conf_tree_t *self)
{
	return self->root;
}

const conf_node_t *conf_node_find (const conf_node_t *node, const char *key)
{
	if (!node || node->kind != CONF_MAP)
		return NULL;
	for (const conf_node_t *child = node->first; child; child = child->next) {
		if (strcmp (child->key, key) == 0)
			return child;
	}
	return NULL;
}

const char *conf_kind_name (conf_kind_t kind)
{
	switch (kind) {
	case CONF_LIST:
		return "a list";
	case CONF_MAP:
		return "a map";
	case CONF_SCALAR:
		return "a single value";
	case CONF_NULL:
	case CONF_REFUSED:
		break;
	}
	return "nothing";
}

/* --- building ------------------------------------------------------------------------------- */

static uint32_t line_of (yaml_mark_t mark)
{
	return (uint32_t) mark.line + 1;
}

#define build_refuse(b, line, ...) \
	((b)->flawed = true, conf_errors_add ((b)->errors, (b)->tree->file, line, __VA_ARGS__))

/* Makes the node for an event and hangs it where it belongs. 0, -EINVAL when too many. */
static int build_node (builder_t *b, conf_kind_t kind, uint32_t line, conf_node_t **ret)
{
	if (++b->nodes > CONF_NODES_MAX) {
		build_refuse (b, line, "more than %d values; a configuration has fewer", CONF_NODES_MAX);
		return -EINVAL;
	}
	conf_node_t *node = tree_alloc (b->tree, sizeof *node);
	if (!node)
		return -ENOMEM;
	*node = (conf_node_t){ .kind = kind, .line = line, .key_line = line, .text = "" };
	if (b->depth == 0) {
		b->tree->root = node;
	} else {
		conf_node_t *parent = b->open[b->depth - 1];
		if (parent->kind == CONF_MAP) {
			node->key = b->key;
			node->key_line = b->key_line;
			b->key = NULL;
		}
		node->order = (uint32_t) parent->n++;
		if (parent->last)
			parent->last->next = node;
		else
			parent->first = node;
		parent->last = node;
	}
	*ret = node;
	return 0;
}

/* Whether the next event is a key. */
static bool build_wants_key (const builder_t *b)
{
	return b->depth > 0 && b->open[b->depth - 1]->kind == CONF_MAP && !b->key;
}

static int build_open (builder_t *b, conf_kind_t kind, uint32_t line)
{
	conf_node_t *node;
	if (build_wants_key (b)) {
		build_refuse (b, line, "%s stands where a key should", conf_kind_name (kind));
		return -EINVAL;
	}
	if (b->depth == CONF_DEPTH_MAX) {
		build_refuse (b, line, "nested deeper than %d levels", CONF_DEPTH_MAX);
		return -EINVAL;
	}
	int r = build_node (b, kind, line, &node);
	if (r == 0)
		b->open[b->depth++] = node;
	return r;
}

static int by_key (const void *a, const void *b)
{
	const conf_node_t *x = *(conf_node_t *const *) a, *y = *(conf_node_t *const *) b;
	int order = strcmp (x->key, y->key);
	return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Says which keys stand twice, and leaves only the first of each. */
static int build_unique (builder_t *b, conf_node_t *map)
{
	if (map->n < 2)
		return 0;
	conf_node_t **sorted = malloc (map->n * sizeof *sorted);
	if (!sorted)
		return -ENOMEM;
	size_t n = 0;
	for (conf_node_t *child = map->first; child; child = child->next)
		sorted[n++] = child;
	qsort (sorted, n, sizeof *sorted, by_key);
	const conf_node_t *first = sorted[0];
	bool twice = false;
	for (size_t i = 1; i < n; i++) {
		if (strcmp (first->key, sorted[i]->key) != 0) {
			first = sorted[i];
			continue;
		}
		char quoted[WORD_QUOTED_MAX];
		build_refuse (b, sorted[i]->key_line,
		        "key %s stands here for the second time; first on line %u",
		        word_quote (first->key, quoted), (unsigned) first->key_line);
		sorted[i]->kind = 0;
		twice = true;
	}
	free (sorted);
	if (!twice)
		return 0;
	conf_node_t *child = map->first;
	map->first = map->last = NULL;
	map->n = 0;
	for (conf_node_t *next; child; child = next) {
		next = child->next;
		child->next = NULL;
		if (child->kind == 0)
			continue;
		if (map->last)
			map->last->next = child;
		else
			map->first = child;
		map->last = child;
		map->n++;
	}
	return 0;
}

static bool is_null (const char *text)
{
	return *text == '\0' || strcmp (text, "~") == 0 || strcasecmp (text, "null") == 0;
}

static int build_scalar (builder_t *b, const yaml_event_t *event)
{
	uint32_t line = line_of (event->start_mark);
	const char *text = tree_copy (b->tree, event->data.scalar.value, event->data.scalar.length);
	if (!text)
		return -ENOMEM;
	/* The escape "\0" gets past the reading of the bytes. */
	if (memchr (text, '\0', event->data.scalar.length))
		build_refuse (b, line, "a NUL character; text has none");
	if (build_wants_key (b)) {
		if (*text == '\0')
			build_refuse (b, line, "an empty key");
		b->key = text;
		b->key_line = line;
		return 0;
	}
	conf_node_t *node;
	bool null = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && is_null (text);
	int r = build_node (b, null ? CONF_NULL : CONF_SCALAR, line, &node);
	if (r == 0 && !null)
		node->text = text;
	return r;
}

static void refuse_extras (builder_t *b, uint32_t line, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	char quoted[WORD_QUOTED_MAX];
	if (anchor)
		build_refuse (b, line,
		        "anchor %s; anchors and aliases are not taken here, write the value out",
		        word_quote ((const char *) anchor, quoted));
	if (tag)
		build_refuse (b, line, "tag %s; tags are not taken here, the key tells the type",
		        word_quote ((const char *) tag, quoted));
}

static int build_event (builder_t *b, const yaml_event_t *event)
{
	uint32_t line = line_of (event->start_mark);
	conf_node_t *node;
	char quoted[WORD_QUOTED_MAX];
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (!b->tree->root)
			return 0;
		build_refuse (b, line, "a second document; one file holds one");
		return -EINVAL;
	case YAML_SCALAR_EVENT:
		refuse_extras (b, line, event->data.scalar.anchor, event->data.scalar.tag);
		return build_scalar (b, event);
	case YAML_SEQUENCE_START_EVENT:
		refuse_extras (b, line, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		return build_open (b, CONF_LIST, line);
	case YAML_MAPPING_START_EVENT:
		refuse_extras (b, line, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		return build_open (b, CONF_MAP, line);
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return 0;
	case YAML_MAPPING_END_EVENT:
		return build_unique (b, b->open[--b->depth]);
	case YAML_ALIAS_EVENT:
		build_refuse (b, line,
		        "alias %s; anchors and aliases are not taken here, write the value out",
		        word_quote ((const char *) event->data.alias.anchor, quoted));
		if (build_wants_key (b))
			return -EINVAL;
		return build_node (b, CONF_REFUSED, line, &node);
	case YAML_STREAM_END_EVENT:
		b->done = true;
		return 0;
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_NO_EVENT:
		break;
	}
	return 0;
}

static size_t line_at (const builder_t *b, size_t offset)
{
	size_t line = 1;
	for (size_t i = 0; i < offset && i < b->size; i++)
		line += b->text[i] == '\n';
	return line;
}

/* Whether a tab stands in that line's indentation, the commonest reason for libyaml's shortest words. */
static bool tab_indents (const builder_t *b, size_t line)
{
	const char *p = b->text, *end = b->text + b->size;
	for (size_t i = 1; p && i < line; i++) {
		p = memchr (p, '\n', (size_t) (end - p));
		p = p ? p + 1 : NULL;
	}
	while (p && p < end && *p == ' ')
		p++;
	return p && p < end && *p == '\t';
}

static int refuse_yaml (builder_t *b, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "unreadable";
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR) {
		build_refuse (b, line_at (b, parser->problem_offset), "no YAML: %s", problem);
		return -EINVAL;
	}
	size_t line = parser->problem_mark.line + 1, column = parser->problem_mark.column + 1;
	char context[160] = "";
	if (parser->context && parser->context_mark.line != parser->problem_mark.line)
		snprintf (context, sizeof context, " %s that begins on line %zu", parser->context,
		        parser->context_mark.line + 1);
	else if (parser->context)
		snprintf (context, sizeof context, " %s", parser->context);
	build_refuse (b, line, "no YAML: column %zu: %s%s%s", column, problem, context,
	        tab_indents (b, line) ? "; YAML indents with spaces, and here stands a tab" : "");
	return -EINVAL;
}

/* NUL, other control characters and broken UTF-8, each with its line; the first is enough. */
static int check_bytes (builder_t *b)
{
	for (size_t i = 0; i < b->size;) {
		unsigned char c = (unsigned char) b->text[i];
		size_t n = utf8_character (b->text + i, b->size - i);
		if (c == '\0')
			build_refuse (b, line_at (b, i), "a NUL byte; is this a text file?");
		else if (n == 0)
			build_refuse (b, line_at (b, i), "byte 0x%02x is no UTF-8", c);
		else if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			build_refuse (b, line_at (b, i), "control character 0x%02x", c);
		if (b->flawed)
			return -EINVAL;
		i += n;
	}
	return 0;
}

static int build (builder_t *b)
{
	yaml_parser_t parser;
	yaml_event_t event;
	int r = check_bytes (b);
	if (r < 0)
		return r;
	if (!yaml_parser_initialize (&parser))
		return -ENOMEM;
	yaml_parser_set_encoding (&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string (&parser, (const unsigned char *) b->text, b->size);
	while (r == 0 && !b->done) {
		if (!yaml_parser_parse (&parser, &event)) {
			r = refuse_yaml (b, &parser);
			break;
		}
		r = build_event (b, &event);
		yaml_event_delete (&event);
	}
	yaml_parser_delete (&parser);
	if (r == 0 && !b->tree->root) {
		conf_node_t *node;
		r = build_node (b, CONF_NULL, 1, &node);
	}
	return r;
}

int conf_tree_parse (
        const char *text, size_t size, const char *name, conf_tree_t **ret, conf_errors_t *errors)
{
	if (size > CONF_FILE_MAX) {
		conf_errors_add (errors, name, 0, "is larger than %d bytes", CONF_FILE_MAX);
		return -EFBIG;
	}
	builder_t b = { .tree = calloc (1, sizeof *b.tree), .errors = errors, .text = text, .size = size };
	if (!b.tree)
		return -ENOMEM;
	b.tree->file = tree_copy (b.tree, name, strlen (name));
	int r = b.tree->file ? build (&b) : -ENOMEM;
	if (r < 0) {
		conf_tree_destroy (&b.tree);
		return r;
	}
	*ret = b.tree;
	return b.flawed ? CONF_E_FLAWED : 0;
}

/* One byte more than is allowed tells a larger file apart. */
static int file_read (int fd, char *text, size_t *ret_size)
{
	size_t size = 0;
	while (size <= CONF_FILE_MAX) {
		ssize_t n = read (fd, text + size, CONF_FILE_MAX + 1 - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t) n;
	}
	*ret_size = size;
	return 0;
}

int conf_tree_load (const char *file, conf_tree_t **ret, conf_errors_t *errors)
{
	struct stat info;
	size_t size = 0;
	int fd = open (file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 || fstat (fd, &info) < 0 ? -errno : S_ISDIR (info.st_mode) ? -EISDIR : 0;
	char *text = r == 0 ? malloc (CONF_FILE_MAX + 1) : NULL;
	if (r == 0 && !text)
		r = -ENOMEM;
	if (r == 0)
		r = file_read (fd, text, &size);
	if (r < 0)
		conf_errors_add (errors, file, 0, "cannot be read: %s", strerror (-r));
	else
		r = conf_tree_parse (text, size, file, ret, errors);
	free (text);
	if (fd >= 0)
		close (fd);
	return r;
}
