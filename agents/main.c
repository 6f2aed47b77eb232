/* belfry-agent: options, configuration, keys, then the agent (agent.h) until a signal ends it. SIGHUP
 * reads configuration and keyring again. */

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/agent.h"
#include "agents/probes/child.h"
#include "base/log.h"
#include "conf/program.h"
#include "net/loop.h"

static const program_about_t about = {
	.name = "belfry-agent",
	.component = "agent",
	.file = AGENT_CONFIG_FILE,
	.purpose =
	        "Watches this host, its peers and its stores, takes in what applications say of themselves,\n"
	        "and publishes it, signed, to Belfry's collectors.\n",
	.signals = "SIGHUP reads configuration and keyring again and says what needs a restart;\n"
	           "SIGTERM and SIGINT end it with a signed goodbye.\n",
};

typedef struct {
	const char *file;
	agent_config_t *started; /* as it was at the start: what a restart would change */
	agent_config_t *current; /* as the last reload left it */
	keyring_t *keyring;
	curve_key_t *curve; /* NULL: none */
} program_t;

/* Reload. */

enum { CHANGES_MAX = 64 };

typedef struct {
	Belfry__V1__Change changes[CHANGES_MAX], *changes_p[CHANGES_MAX];
	size_t n;
} changes_t;

static void on_taken (void *arg, const conf_difference_t *difference)
{
	changes_t *changes = arg;
	if (changes->n == CHANGES_MAX)
		return;
	Belfry__V1__Change *change = changes->changes_p[changes->n] = &changes->changes[changes->n];
	belfry__v1__change__init (change);
	change->key = strdup (difference->key);
	change->old_value = strdup (difference->before);
	change->new_value = strdup (difference->after);
	if (change->key && change->old_value && change->new_value) {
		changes->n++;
		return;
	}
	free (change->key);
	free (change->old_value);
	free (change->new_value);
}

static void changes_free (changes_t *self)
{
	for (size_t i = 0; i < self->n; i++) {
		free (self->changes[i].key);
		free (self->changes[i].old_value);
		free (self->changes[i].new_value);
	}
}

static void on_hangup (void *arg, agent_t *agent)
{
	program_t *self = arg;
	conf_errors_t errors = { 0 };
	agent_config_t *config = NULL;
	keyring_t *keyring = NULL;
	err_t err = { "" };
	if (agent_config_load (self->file, &config, &errors)) {
		program_errors_say (&about, &errors);
		log_error ("agent", "reload: nothing was changed, because of the errors above");
		conf_errors_clear (&errors);
		return;
	}
	conf_errors_clear (&errors);
	/* Keyed and insecure do not change into each other without a restart. */
	if (self->started->security.keyring && config->security.keyring) {
		int r = keyring_load (config->security.keyring, &keyring, &err);
		if (!r && !keyring_active_epoch (keyring, span_str (self->started->node)))
			r = error_set (&err, -1, "%s: no active key for node '%s'", config->security.keyring,
			        self->started->node);
		if (r) {
			log_error ("agent", "reload: nothing was changed: %s", err.text);
			keyring_destroy (&keyring);
			agent_config_destroy (&config);
			return;
		}
	}
	static changes_t changes;
	program_changes_t names;
	changes.n = 0;
	program_changes (
	        agent_config_table (), self->started, self->current, config, &names, on_taken, &changes);
	agent_reload (agent, config, keyring, changes.changes_p, changes.n);
	log_set_level ((log_level_t) config->log_level);
	program_changes_say (&about, keyring ? "keyring" : "", &names);
	changes_free (&changes);
	if (self->current != self->started)
		agent_config_destroy (&self->current);
	self->current = config;
	if (keyring) {
		keyring_destroy (&self->keyring);
		self->keyring = keyring;
	}
}

/* Everything that can fail is said with what would be right. */
static int run (program_t *self)
{
	agent_t *agent = NULL;
	err_t err = { "" };
	const char *keyring = self->started->security.keyring;
	int r = keyring ? keyring_load (keyring, &self->keyring, &err) : 0;
	if (!r && self->started->security.curve)
		r = curve_key_load (self->started->security.curve, &self->curve, &err);
	if (!r)
		r = agent_new (self->started, self->keyring, self->curve, on_hangup, self, &agent, &err);
	if (r) {
		log_error ("agent", "%s", err.text);
		return EXIT_FAILURE;
	}
	if (!keyring)
		log_warning ("agent", "INSECURE: events are not signed, as the configuration says");
	r = agent_run (agent);
	if (r)
		log_error ("agent", "the loop failed: %s", strerror (-r));
	else
		log_info ("agent", "ending");
	if (!agent_destroy (&agent)) {
		log_warning ("agent", "a probe or a disk hangs in the kernel; leaving without it");
		_exit (r ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main (int argc, char **argv)
{
	program_t self = { 0 };
	program_options_t given;
	int status;
	if (argc > 1 && strcmp (argv[1], CHILD_ARGUMENT) == 0)
		return child_main (argc, argv);
	if (!program_options (&about, agent_config_table (), argc, argv, &given, &status))
		return status;
	self.file = given.file;
	conf_errors_t errors = { 0 };
	int r = agent_config_load (self.file, &self.started, &errors);
	if (r || given.check) {
		conf_errors_print (&errors, stderr);
		if (!r)
			printf ("%s: good\n", self.file ? self.file : about.file);
		conf_errors_clear (&errors);
		agent_config_destroy (&self.started);
		return r ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	self.current = self.started;
	log_set_level ((log_level_t) self.started->log_level);
	if (sodium_init () < 0) {
		log_error ("agent", "libsodium does not start");
		return EXIT_FAILURE;
	}
	loop_block_signals ();
	status = run (&self);
	keyring_destroy (&self.keyring);
	curve_key_destroy (&self.curve);
	if (self.current != self.started)
		agent_config_destroy (&self.current);
	agent_config_destroy (&self.started);
	return status;
}
