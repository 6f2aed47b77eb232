/* replay.c - the corpus through a fuzz target, in every test run and with either compiler: what was once
 * found stays fixed. Each argument is a file, or a directory of them; no file at all is a failure. */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

/* In memory of exactly its size: what reads beyond is seen by the sanitizer. */
static void run_file (const char *name)
{
	static uint8_t buffer[INPUT_MAX];
	FILE *file = fopen (name, "rb");
	if (!file) {
		fprintf (stderr, "%s: %s\n", name, strerror (errno));
		exit (1);
	}
	size_t size = fread (buffer, 1, sizeof buffer, file);
	fclose (file);
	uint8_t *exact = malloc (size ? size : 1);
	if (!exact)
		exit (1);
	memcpy (exact, buffer, size);
	/* Said before, so that the one that aborts is named. */
	fprintf (stderr, "%s\n", name);
	LLVMFuzzerTestOneInput (exact, size);
	free (exact);
}

static int not_hidden (const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static unsigned run_all (const char *name)
{
	struct dirent **entries;
	int n = scandir (name, &entries, not_hidden, alphasort);
	if (n < 0) {
		run_file (name);
		return 1;
	}
	unsigned done = 0;
	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf (path, sizeof path, "%s/%s", name, entries[i]->d_name);
		done += run_all (path);
		free (entries[i]);
	}
	free (entries);
	return done;
}

int main (int argc, char **argv)
{
	unsigned done = 0;
	for (int i = 1; i < argc; i++)
		done += run_all (argv[i]);
	static uint8_t nothing[1];
	LLVMFuzzerTestOneInput (nothing, 0);
	printf ("%u inputs replayed\n", done);
	return done ? 0 : 1;
}
