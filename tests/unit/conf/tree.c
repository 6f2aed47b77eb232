#include "conf/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/conf/said.h"

static int parse_size (const char *text, size_t size, conf_tree_t **ret, conf_errors_t *errors)
{
	return conf_tree_parse (text, size, "f.yaml", ret, errors);
}

static int parse (const char *text, conf_tree_t **ret, conf_errors_t *errors)
{
	return parse_size (text, strlen (text), ret, errors);
}

/* The parse fails, and one error says these things. */
static void refused (const char *text, const char *a, const char *b, const char *c)
{
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	int r = parse (text, &tree, &errors);
	cr_assert (r == -EINVAL || r == CONF_E_FLAWED, "%d for %s", r, text);
	cr_assert_eq (tree == NULL, r < 0);
	assert_says (&errors, a, b, c);
	conf_tree_destroy (&tree);
	conf_errors_clear (&errors);
}

Test (tree, nothing_is_a_null)
{
	for (const char *const *text = (const char *const[]){ "", "\n", "# only a comment\n", "---\n", NULL };
	        *text; text++) {
		conf_tree_t *tree = NULL;
		conf_errors_t errors = { 0 };
		cr_assert_eq (parse (*text, &tree, &errors), 0);
		cr_assert_eq (conf_tree_root (tree)->kind, CONF_NULL);
		cr_assert_str_eq (conf_tree_file (tree), "f.yaml");
		assert_quiet (&errors);
		conf_tree_destroy (&tree);
		cr_assert_null (tree);
	}
	conf_tree_t *none = NULL;
	conf_tree_destroy (&none);
}

Test (tree, nodes_know_their_lines)
{
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse ("a: 1\nb:\n  - x\n  - {c: 'y',\n     d: ~}\ne:\n", &tree, &errors), 0);
	const conf_node_t *root = conf_tree_root (tree);
	cr_assert_eq (root->kind, CONF_MAP);
	cr_assert_eq (root->n, 3);
	const conf_node_t *a = conf_node_find (root, "a"), *b = conf_node_find (root, "b");
	cr_assert_str_eq (a->text, "1");
	cr_assert_eq (a->line, 1);
	cr_assert_eq (b->kind, CONF_LIST);
	cr_assert_eq (b->key_line, 2);
	cr_assert_eq (b->line, 3);
	cr_assert_eq (b->n, 2);
	const conf_node_t *map = b->first->next;
	cr_assert_str_eq (conf_node_find (map, "c")->text, "y");
	cr_assert_eq (conf_node_find (map, "d")->kind, CONF_NULL);
	cr_assert_eq (conf_node_find (map, "d")->line, 5);
	cr_assert_eq (conf_node_find (root, "e")->kind, CONF_NULL);
	cr_assert_null (conf_node_find (root, "f"));
	cr_assert_null (conf_node_find (b, "c"));
	cr_assert_null (conf_node_find (NULL, "c"));
	conf_tree_destroy (&tree);
}

Test (tree, a_quoted_null_is_text)
{
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse ("a: '~'\nb: \"\"\nc: |\n  x\n  y\n", &tree, &errors), 0);
	cr_assert_eq (conf_node_find (conf_tree_root (tree), "a")->kind, CONF_SCALAR);
	cr_assert_eq (conf_node_find (conf_tree_root (tree), "b")->kind, CONF_SCALAR);
	cr_assert_str_eq (conf_node_find (conf_tree_root (tree), "c")->text, "x\ny\n");
	conf_tree_destroy (&tree);
}

Test (tree, libyamls_errors_get_line_and_column)
{
	refused ("a: [1\nb: c\n", "f.yaml:2:", "column 2", "line 1");
	refused ("a: 'x\n", "f.yaml:2:", "no YAML", NULL);
	refused ("a: b: c\n", "f.yaml:1:", "column 5", NULL);
	refused ("a: 1\n  b: 2\n", "f.yaml:2:", "no YAML", NULL);
}

Test (tree, a_tab_in_the_indentation_is_named)
{
	refused ("a:\n\tb: 1\n", "f.yaml:2:", "a tab", "spaces");
}

Test (tree, bytes_that_are_no_text_are_named_with_their_line)
{
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse_size ("a: b\nc: \0d\n", 11, &tree, &errors), -EINVAL);
	assert_says (&errors, "f.yaml:2:", "NUL", NULL);
	conf_errors_clear (&errors);
	cr_assert_null (tree);
	refused ("a: b\n\nc: \xff\n", "f.yaml:3:", "0xff", "UTF-8");
	refused ("a: \xc0\xaf\n", "f.yaml:1:", "UTF-8", NULL);
	refused ("a: \xed\xa0\x80\n", "f.yaml:1:", "UTF-8", NULL);
	refused ("a: \x1b[1m\n", "f.yaml:1:", "control character 0x1b", NULL);
	refused ("a: \"x\\0y\"\n", "f.yaml:1:", "NUL", NULL);
	refused ("\xff\xfe"
	         "a: b",
	        "f.yaml:1:", "UTF-8", NULL);
}

Test (tree, a_key_that_stands_twice_is_named_with_both_lines)
{
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse ("a: 1\nb: 2\na: 3\nc: {x: 1, x: 2}\na: 4\n", &tree, &errors), CONF_E_FLAWED);
	assert_says (&errors, "f.yaml:3:", "key 'a'", "line 1");
	assert_says (&errors, "f.yaml:5:", "key 'a'", "line 1");
	assert_says (&errors, "f.yaml:4:", "key 'x'", "line 4");
	cr_assert_eq (errors.n, 3);
	cr_assert_eq (conf_tree_root (tree)->n, 3, "the first of each is left");
	cr_assert_str_eq (conf_node_find (conf_tree_root (tree), "a")->text, "1");
	cr_assert_str_eq (conf_tree_root (tree)->last->key, "c");
	conf_tree_destroy (&tree);
	conf_errors_clear (&errors);
}

Test (tree, anchors_aliases_and_tags_are_refused)
{
	refused ("a: &x 1\n", "f.yaml:1:", "anchor 'x'", NULL);
	refused ("a: &x [1]\n", "f.yaml:1:", "anchor 'x'", NULL);
	refused ("a: &x {b: 1}\n", "f.yaml:1:", "anchor 'x'", NULL);
	refused ("a: 1\nb: *x\n", "f.yaml:2:", "alias 'x'", "write the value out");
	refused ("*x : 1\n", "f.yaml:1:", "alias 'x'", NULL);
	refused ("a: !!str b\n", "f.yaml:1:", "tag", NULL);
	refused ("a: !x [b]\n", "f.yaml:1:", "tag '!x'", NULL);
	refused ("a: !x {b: c}\n", "f.yaml:1:", "tag '!x'", NULL);
}

Test (tree, a_bomb_of_aliases_costs_nothing)
{
	char text[8192] = "a0: &a0 [x]\n";
	for (int i = 1; i < 30; i++)
		snprintf (text + strlen (text), sizeof text - strlen (text),
		        "a%d: &a%d [*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1);
	refused (text, "f.yaml:1:", "anchor 'a0'", NULL);
}

Test (tree, a_second_document_is_refused)
{
	refused ("a: 1\n---\nb: 2\n", "f.yaml:2:", "second document", NULL);
}

Test (tree, a_key_is_a_word)
{
	refused ("? [a, b]\n: c\n", "f.yaml:1:", "a list stands where a key should", NULL);
	refused ("{{a: b}: c}\n", "f.yaml:1:", "a map stands where a key should", NULL);
	refused ("'': c\n", "f.yaml:1:", "an empty key", NULL);
}

Test (tree, depth_is_bounded)
{
	char text[CONF_DEPTH_MAX + 3];
	memset (text, '[', sizeof text);
	text[CONF_DEPTH_MAX + 1] = '\0';
	refused (text, "f.yaml:1:", "deeper than 16", NULL);
	char whole[2 * CONF_DEPTH_MAX + 1];
	memset (whole, '[', CONF_DEPTH_MAX);
	memset (whole + CONF_DEPTH_MAX, ']', CONF_DEPTH_MAX);
	whole[2 * CONF_DEPTH_MAX] = '\0';
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse (whole, &tree, &errors), 0);
	conf_tree_destroy (&tree);
}

Test (tree, the_number_of_values_is_bounded)
{
	size_t size = 3 * (CONF_NODES_MAX + 10);
	char *text = malloc (size + 1);
	for (size_t i = 0; i < size; i += 3)
		memcpy (text + i, "-\n\n", 3);
	text[size] = '\0';
	refused (text, "more than 65536 values", NULL, NULL);
	free (text);
}

Test (tree, size_is_bounded)
{
	char *text = malloc (CONF_FILE_MAX + 1);
	memset (text, '#', CONF_FILE_MAX + 1);
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse_size (text, CONF_FILE_MAX, &tree, &errors), 0);
	conf_tree_destroy (&tree);
	cr_assert_eq (parse_size (text, CONF_FILE_MAX + 1, &tree, &errors), -EFBIG);
	assert_says (&errors, "f.yaml: ", "1048576", NULL);
	conf_errors_clear (&errors);
	free (text);
}

Test (tree, a_file_that_cannot_be_read_says_why)
{
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (conf_tree_load ("/no/such/file.yaml", &tree, &errors), -ENOENT);
	assert_says (&errors, "/no/such/file.yaml: ", "No such file", NULL);
	cr_assert_eq (conf_tree_load ("/", &tree, &errors), -EISDIR);
	assert_says (&errors, "/: ", "directory", NULL);
	cr_assert_eq (conf_tree_load ("/dev/zero", &tree, &errors), -EFBIG, "an endless file is too large");
	cr_assert_null (tree);
	conf_errors_clear (&errors);
}

Test (tree, a_file_is_read)
{
	char name[] = "/tmp/belfry-tree-XXXXXX";
	int fd = mkstemp (name);
	cr_assert_eq (write (fd, "a: b\n", 5), 5);
	close (fd);
	conf_tree_t *tree = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (conf_tree_load (name, &tree, &errors), 0);
	cr_assert_str_eq (conf_node_find (conf_tree_root (tree), "a")->text, "b");
	conf_tree_destroy (&tree);
	unlink (name);
}
