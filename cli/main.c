#include "cli/commands.h"

#include <signal.h>

int main (int argc, char **argv)
{
	output_t output;
	/* A reader that went away is an error of the write, which ends the command quietly. */
	signal (SIGPIPE, SIG_IGN);
	output_init (&output, stdout, stderr);
	return belfry_run (argc, argv, &output);
}
