#include <errno.h>
#include <stdlib.h>

#include "conf/table.h"

/* Takes the tree, which parsed with r. */
static int object_make (
        const conf_table_t *table, conf_tree_t *tree, int r, void **ret, conf_errors_t *errors)
{
	void *object = malloc (table->size);
	int made = object ? conf_object_init (table, object) : -ENOMEM;
	if (made == 0) {
		made = conf_object_fill (table, tree, object, errors);
		if (made == 0 && r == CONF_E_FLAWED)
			made = -EINVAL;
		if (made < 0)
			conf_object_clear (table, object);
	}
	conf_tree_destroy (&tree);
	if (made < 0) {
		free (object);
		return made;
	}
	*ret = object;
	return 0;
}

int conf_object_load (const conf_table_t *table, const char *file, void **ret, conf_errors_t *errors)
{
	conf_tree_t *tree;
	int r = conf_tree_load (file, &tree, errors);
	return r < 0 ? r : object_make (table, tree, r, ret, errors);
}

int conf_object_parse (const conf_table_t *table, const char *text, size_t size, const char *name, void **ret,
        conf_errors_t *errors)
{
	conf_tree_t *tree;
	int r = conf_tree_parse (text, size, name, &tree, errors);
	return r < 0 ? r : object_make (table, tree, r, ret, errors);
}

void conf_object_destroy (const conf_table_t *table, void **self_p)
{
	if (!*self_p)
		return;
	conf_object_clear (table, *self_p);
	free (*self_p);
	*self_p = NULL;
}
