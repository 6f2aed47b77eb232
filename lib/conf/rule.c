/* A set is built by taking one file's rules after another over the shipped ones; only when everything
 * is right does the caller get it, so a reload with a broken file leaves the old set in force. */

#include "conf/rule.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conf/rule_source.h"
#include "conf/word.h"

static const unsigned char shipped[] = {
#include "conf/rule_defaults.inc"
};
static const char shipped_name[] = "shipped";

static void rule_clear (rule_t *self)
{
	free (self->name);
	free (self->file);
	free (self->metric);
	for (size_t i = 0; i < self->n_matchers; i++) {
		free (self->matchers[i].key);
		free (self->matchers[i].pattern);
		regfree (&self->matchers[i].regex);
	}
	free (self->matchers);
	for (size_t i = 0; i < self->labels.n; i++) {
		free (self->labels.items[i].key);
		free (self->labels.items[i].value);
	}
	free (self->labels.items);
	free (self->summary);
	free (self->description);
	free (self->runbook_url);
	*self = (rule_t){ 0 };
}

void rule_set_destroy (rule_set_t **self_p)
{
	if (!*self_p)
		return;
	for (size_t i = 0; i < (*self_p)->n; i++)
		rule_clear (&(*self_p)->rules[i]);
	free ((*self_p)->rules);
	free (*self_p);
	*self_p = NULL;
}

static rule_t *set_find (const rule_set_t *self, const char *name)
{
	for (size_t i = 0; i < self->n; i++) {
		if (strcmp (self->rules[i].name, name) == 0)
			return &self->rules[i];
	}
	return NULL;
}

const rule_t *rule_set_find (const rule_set_t *self, const char *name)
{
	return set_find (self, name);
}

bool rule_matcher_holds (const rule_matcher_t *self, const char *value)
{
	return regexec (&self->regex, value ? value : "", 0, NULL, 0) == 0;
}

/* --- compiling ------------------------------------------------------------------------------ */

/* The pattern was checked; what regcomp may still say is that memory is out. */
static int matcher_compile (rule_matcher_t *self, conf_pair_t *pair)
{
	char *anchored;
	if (asprintf (&anchored, "^(%s)$", pair->value) < 0)
		return -ENOMEM;
	int r = regcomp (&self->regex, anchored, REG_EXTENDED | REG_NOSUB);
	free (anchored);
	if (r != 0)
		return r == REG_ESPACE ? -ENOMEM : -EINVAL;
	self->key = pair->key;
	self->pattern = pair->value;
	*pair = (conf_pair_t){ NULL, NULL };
	return 0;
}

static void condition_compile (rule_t *self, rule_when_t *when)
{
	if (when->always) {
		self->kind = RULE_ALWAYS;
	} else if (when->node) {
		self->kind = RULE_NODE_DOWN;
		self->down = (rule_down_t) when->kind;
	} else if (when->status) {
		self->kind = RULE_STATUS;
		self->subject = (rule_subject_t) when->status;
		self->status = when->is;
	} else {
		bool above = !isnan (when->above);
		self->kind = RULE_METRIC;
		self->metric = when->metric;
		when->metric = NULL;
		self->direction = above ? RULE_ABOVE : RULE_BELOW;
		self->threshold = above ? when->above : when->below;
		self->clear = isnan (when->clear) ? self->threshold : when->clear;
	}
}

/* Takes what source owns. */
static int rule_compile (rule_source_t *source, const char *file, size_t line, rule_t *ret)
{
	rule_t self = { .line = line,
		.for_ns = source->for_ns,
		.keep_firing_ns = source->keep_firing_ns,
		.severity = source->severity };
	bool always = source->when.always;
	self.file = strdup (file);
	if (!source->summary)
		source->summary = strdup (always ? "{{name}}" : "{{name}} on {{node}}");
	self.matchers = calloc (source->when.match.n + 1, sizeof *self.matchers);
	int r = self.file && source->summary && self.matchers ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < source->when.match.n; i++) {
		r = matcher_compile (&self.matchers[i], &source->when.match.items[i]);
		self.n_matchers += r == 0;
	}
	if (r < 0) {
		rule_clear (&self);
		return r;
	}
	condition_compile (&self, &source->when);
	self.name = source->name;
	self.labels = source->labels;
	self.summary = source->summary;
	self.description = source->description;
	self.runbook_url = source->runbook_url;
	source->name = source->summary = source->description = source->runbook_url = NULL;
	source->labels = (conf_pairs_t){ 0 };
	*ret = self;
	return 0;
}

/* --- taking --------------------------------------------------------------------------------- */

typedef struct {
	rule_set_t *set;
	conf_errors_t *errors;
	const char *file;
	bool wrong;
} take_t;

static void unknown_say (const take_t *self, const char *name, size_t line)
{
	const char *known[RULES_MAX + 1], *nearest;
	char quoted[WORD_QUOTED_MAX];
	size_t n = 0;
	for (; n < self->set->n && n < RULES_MAX; n++)
		known[n] = self->set->rules[n].name;
	known[n] = NULL;
	nearest = word_nearest (name, known);
	conf_errors_add (self->errors, self->file, line,
	        "there is no rule %s that 'enabled: false' could remove%s%s%s", word_quote (name, quoted),
	        nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static void set_remove (rule_set_t *self, rule_t *rule)
{
	size_t at = (size_t) (rule - self->rules);
	rule_clear (rule);
	memmove (rule, rule + 1, (self->n - at - 1) * sizeof *rule);
	self->n--;
}

/* Whether the rule's name goes with what the set holds; else says why not. */
static bool name_check (take_t *self, const rule_source_t *source, const rule_t *old, const conf_node_t *node)
{
	char quoted[WORD_QUOTED_MAX];
	if (old && strcmp (old->file, shipped_name) != 0)
		conf_errors_add (self->errors, self->file, node->line, "rule %s stands in %s:%zu too",
		        word_quote (source->name, quoted), old->file, old->line);
	else if (!old && !source->enabled && !conf_node_find (node, "when"))
		unknown_say (self, source->name, node->line);
	else if (!old && source->enabled && self->set->n >= RULES_MAX)
		conf_errors_add (self->errors, self->file, node->line, "more than %d rules", RULES_MAX);
	else
		return true;
	self->wrong = true;
	return false;
}

/* sound: the file so far had no error, so the rule can be compiled. */
static int rule_take (take_t *self, rule_source_t *source, const conf_node_t *node, bool sound)
{
	rule_t rule, *old = source->name ? set_find (self->set, source->name) : NULL;
	if (!source->name || !name_check (self, source, old, node) || !sound)
		return 0;
	if (!source->enabled) {
		if (old)
			set_remove (self->set, old);
		return 0;
	}
	rule_t *rules = realloc (self->set->rules, (self->set->n + 1) * sizeof *rules);
	if (!rules)
		return -ENOMEM;
	self->set->rules = rules;
	int r = rule_compile (source, self->file, node->line, &rule);
	if (r < 0)
		return r;
	old = set_find (self->set, rule.name);
	if (old)
		rule_clear (old);
	else
		old = &rules[self->set->n++];
	*old = rule;
	return 0;
}

/* Takes the tree, which parsed with r. Without memory: -ENOMEM; all else goes to errors. */
static int tree_take (take_t *self, conf_tree_t *tree, int r)
{
	const conf_table_t *table = rule_file_table ();
	rule_file_t file;
	self->wrong = self->wrong || r == CONF_E_FLAWED;
	r = conf_object_init (table, &file);
	if (r == 0) {
		int filled = conf_object_fill (table, tree, &file, self->errors);
		const conf_node_t *list = conf_node_find (conf_tree_root (tree), "rules");
		const conf_node_t *node = list ? list->first : NULL;
		r = filled == -ENOMEM ? filled : 0;
		self->wrong = self->wrong || filled < 0;
		for (size_t i = 0; r == 0 && i < file.rules.n; i++, node = node->next)
			r = rule_take (self, &file.rules.items[i], node, filled == 0);
		conf_object_clear (table, &file);
	}
	conf_tree_destroy (&tree);
	return r;
}

static int file_take (take_t *self, const char *file)
{
	conf_tree_t *tree;
	int r = conf_tree_load (file, &tree, self->errors);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		self->wrong = true;
		return 0;
	}
	self->file = file;
	return tree_take (self, tree, r);
}

static int text_take (take_t *self, const char *text, size_t size, const char *name)
{
	conf_tree_t *tree;
	int r = conf_tree_parse (text, size, name, &tree, self->errors);
	if (r < 0)
		return r;
	self->file = name;
	return tree_take (self, tree, r);
}

static int take_begin (take_t *self, conf_errors_t *errors)
{
	*self = (take_t){ .set = calloc (1, sizeof *self->set), .errors = errors };
	if (!self->set)
		return -ENOMEM;
	return text_take (self, (const char *) shipped, sizeof shipped, shipped_name);
}

static int take_end (take_t *self, int r, rule_set_t **ret)
{
	if (r == 0 && self->wrong)
		r = -EINVAL;
	if (r < 0)
		rule_set_destroy (&self->set);
	else
		*ret = self->set;
	return r;
}

/* --- files ---------------------------------------------------------------------------------- */

/* glob(3) has no argument for its callback. */
static _Thread_local int glob_errno;
static _Thread_local char glob_path[256];

static int glob_failed (const char *path, int code)
{
	if (code == ENOENT || code == ENOTDIR)
		return 0;
	glob_errno = code;
	snprintf (glob_path, sizeof glob_path, "%s", path);
	return 1;
}

/* Whether a pattern before gave this file already. */
static bool taken_before (char *const *paths, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp (paths[j], paths[i]) == 0)
			return true;
	}
	return false;
}

int rule_set_load (const conf_strings_t *files, rule_set_t **ret, conf_errors_t *errors)
{
	take_t take;
	glob_t found = { 0 };
	int r = take_begin (&take, errors);
	for (size_t i = 0; r == 0 && i < files->n; i++) {
		const char *pattern = files->items[i];
		/* A plain name that is not there is handed on, for its error. */
		bool plain = strpbrk (pattern, "*?[") == NULL;
		int flags = (plain ? GLOB_NOCHECK : 0) | (i > 0 ? GLOB_APPEND : 0);
		int g = glob (pattern, flags, glob_failed, &found);
		if (g == GLOB_NOSPACE) {
			r = -ENOMEM;
		} else if (g == GLOB_ABORTED) {
			conf_errors_add (errors, glob_path, 0, "cannot be read: %s", strerror (glob_errno));
			take.wrong = true;
		}
	}
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
		if (!taken_before (found.gl_pathv, i))
			r = file_take (&take, found.gl_pathv[i]);
	}
	globfree (&found);
	return take_end (&take, r, ret);
}

int rule_set_load_file (const char *file, rule_set_t **ret, conf_errors_t *errors)
{
	take_t take;
	int r = take_begin (&take, errors);
	if (r == 0)
		r = file_take (&take, file);
	return take_end (&take, r, ret);
}

int rule_set_parse (const char *text, size_t size, const char *name, rule_set_t **ret, conf_errors_t *errors)
{
	take_t take;
	int r = take_begin (&take, errors);
	if (r == 0 && text)
		r = text_take (&take, text, size, name);
	return take_end (&take, r, ret);
}
