#include "cli/command.h"

#include "base/json_writer.h"
#include "net/version.h"
#include "wire/control.h"
#include "wire/envelope.h"

#include <protobuf-c/protobuf-c.h>
#include <sodium.h>

static int run (session_t *session, const void *values, const words_t *words)
{
	(void) values;
	if (words->n > 0)
		return usage_wrong (
		        session, "version", "version takes no arguments, '%s' was given", words->at[0]);
	char zmq[NET_VERSION_TEXT_MAX];
	net_version (zmq);
	if (!session->json) {
		fprintf (session->output->out,
		        "belfry %s (envelope %d, control %d; libzmq %s, libsodium %s, protobuf-c %s)\n",
		        BELFRY_VERSION, ENVELOPE_VERSION, CONTROL_VERSION, zmq, sodium_version_string (),
		        protobuf_c_version ());
		return DONE;
	}
	buffer_t line = BUFFER_INIT;
	json_writer_t json = json_writer_on (&line);
	json_write_begin_object (&json);
	json_write_key_string (&json, "version", BELFRY_VERSION);
	json_write_key_u64 (&json, "envelope", ENVELOPE_VERSION);
	json_write_key_u64 (&json, "control", CONTROL_VERSION);
	json_write_key_string (&json, "libzmq", zmq);
	json_write_key_string (&json, "libsodium", sodium_version_string ());
	json_write_key_string (&json, "protobuf_c", protobuf_c_version ());
	json_write_end_object (&json);
	int r = output_line (session->output, &line);
	buffer_free (&line);
	return r ? ANSWER_NO : DONE;
}

const command_t command_version = {
	.name = "version",
	.synopsis = "",
	.summary = "this program, its libraries and the wire it speaks",
	.text = "Prints the version of this program, of the frames it speaks, and of the\n"
	        "libraries it runs with. Asks nobody: 'belfry status --json' has the collector's.",
	.local = true,
	.run = run,
};
