#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/clients.h"

#define KEY_1 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_2 "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_3 "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"

static char said[4096];

static void on_error (void *arg, const char *file, unsigned line, const char *text)
{
	(void) arg;
	size_t at = strlen (said);
	snprintf (said + at, sizeof said - at, "%s:%u: %s\n", file, line, text);
}

static clients_t *parsed (const char *text)
{
	clients_t *clients = NULL;
	said[0] = '\0';
	cr_assert_eq (clients_parse (text, strlen (text), "file", on_error, NULL, &clients), 0, "%s", said);
	cr_assert_str_eq (said, "");
	return clients;
}

static void refused (const char *text, const char *word, const char *second)
{
	clients_t *clients = NULL;
	said[0] = '\0';
	cr_assert_eq (
	        clients_parse (text, strlen (text), "file", on_error, NULL, &clients), -EINVAL, "%s", text);
	cr_assert_null (clients);
	cr_assert_not_null (strstr (said, word), "'%s' lacks '%s'", said, word);
	if (second)
		cr_assert_not_null (strstr (said, second), "'%s' lacks '%s'", said, second);
}

Test (clients, lines_are_key_role_and_name)
{
	clients_t *clients = parsed ("# the cluster's\n\n" KEY_1 " agent n1\n  " KEY_2
	                             "\tviewer  alice \r\n" KEY_3 " operator bob");
	cr_assert_eq (clients->n, 3);
	static const struct {
		role_t role;
		const char *name;
		unsigned line;
	} wanted[] = { { ROLE_AGENT, "n1", 3 }, { ROLE_VIEWER, "alice", 4 }, { ROLE_OPERATOR, "bob", 5 } };
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq (clients->items[i].role, wanted[i].role);
		cr_assert_str_eq (clients->items[i].name, wanted[i].name);
		cr_assert_eq (clients->items[i].line, wanted[i].line);
		cr_assert_str_eq (clients->items[i].file, "file");
	}
	clients_destroy (&clients);
	cr_assert_null (clients);
}

Test (clients, nobody_is_a_list_too)
{
	clients_t *clients = parsed ("# " KEY_1 " agent n1\n#" KEY_2 " viewer alice\n");
	cr_assert_eq (clients->n, 0);
	clients_destroy (&clients);
}

Test (clients, a_name_may_have_two_keys)
{
	clients_t *clients = parsed (KEY_1 " agent n1\n" KEY_2 " agent n1\n");
	cr_assert_eq (clients->n, 2);
	clients_destroy (&clients);
}

Test (clients, everything_that_is_wrong_is_said_with_its_line)
{
	refused (KEY_1 " agent\n" KEY_2 " agent n1 n2\n", "file:1: want three words",
	        "file:2: want three words");
	refused ("short agent n1\n", "file:1: 'short' is no key", NULL);
	refused (KEY_1 " root n1\n" KEY_2 " enrol n1\n", "file:1: 'root' is no role",
	        "file:2: 'enrol' is no role");
	refused (KEY_1 " agent n/1\n", "'n/1' is no name", NULL);
	refused (KEY_1 " agent collector.c1\n", "'collector.c1' is no name", NULL);
}

Test (clients, a_key_stands_there_once)
{
	refused (KEY_1 " agent n1\n" KEY_2 " agent n2\n" KEY_1 " viewer alice\n",
	        "file:3: this key stands at file:1 already, for agent n1", NULL);
}

Test (clients, bytes_that_are_no_text_are_refused)
{
	clients_t *clients = NULL;
	static const char nul[] = KEY_1 " agent n1\0\n";
	cr_assert_eq (clients_parse (nul, sizeof nul - 1, "file", on_error, NULL, &clients), -EINVAL);
	cr_assert_null (clients);
}

static void put (const char *directory, const char *name, const char *text)
{
	char path[256];
	snprintf (path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen (path, "w");
	cr_assert_not_null (file);
	fputs (text, file);
	fclose (file);
}

static void take_away (const char *directory, const char *name)
{
	char path[256];
	snprintf (path, sizeof path, "%s/%s", directory, name);
	unlink (path);
}

static int load (const char *directory, clients_t **ret)
{
	said[0] = '\0';
	return clients_load (directory, on_error, NULL, ret);
}

Test (clients, a_directory_is_all_of_its_files)
{
	char directory[] = "/tmp/belfry-clients-XXXXXX";
	clients_t *clients = NULL;
	umask (022);
	cr_assert_not_null (mkdtemp (directory));
	cr_assert_eq (load (directory, &clients), 0, "%s", said);
	cr_assert_eq (clients->n, 0);
	clients_destroy (&clients);
	put (directory, "b", KEY_2 " viewer alice\n");
	put (directory, "a", KEY_1 " agent n1\n");
	put (directory, ".hidden", "nonsense\n");
	cr_assert_eq (load (directory, &clients), 0, "%s", said);
	cr_assert_eq (clients->n, 2);
	cr_assert_str_eq (clients->items[0].name, "n1", "in the order of the files' names");
	clients_destroy (&clients);

	put (directory, "c", "x\n" KEY_1 " agent n9\n");
	cr_assert_eq (load (directory, &clients), -EINVAL);
	cr_assert_not_null (strstr (said, "/c:1: want three words"), "%s", said);
	put (directory, "c", KEY_1 " agent n9\n");
	cr_assert_eq (load (directory, &clients), -EINVAL);
	cr_assert_not_null (strstr (said, "/c:1: this key stands at "), "%s", said);
	take_away (directory, "c");

	char path[256];
	snprintf (path, sizeof path, "%s/a", directory);
	cr_assert_eq (chmod (path, 0664), 0);
	cr_assert_eq (load (directory, &clients), -EACCES);
	cr_assert_not_null (strstr (said, "chmod go-w"), "%s", said);
	cr_assert_eq (chmod (path, 0644), 0);
	cr_assert_eq (chmod (directory, 0777), 0);
	cr_assert_eq (load (directory, &clients), -EACCES);
	cr_assert_eq (chmod (directory, 0755), 0);
	put (directory, ".hidden", "");
	for (size_t i = 0; i < 3; i++)
		take_away (directory, (const char *[]){ "a", "b", ".hidden" }[i]);
	cr_assert_eq (rmdir (directory), 0);
	cr_assert_eq (load (directory, &clients), -ENOENT);
	cr_assert_not_null (strstr (said, directory));
	cr_assert_null (clients);
}
