/* belfry-collector: options, configuration, state directory, keys, then the fabric (fabric.h) until a
 * signal ends it. SIGHUP reads configuration, rules and keyring again. */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "collector/fabric.h"
#include "collector/state.h"
#include "conf/collector_config.h"
#include "conf/program.h"
#include "conf/rule.h"
#include "net/loop.h"

static const program_about_t about = {
	.name = "belfry-collector",
	.component = "collector",
	.file = COLLECTOR_CONFIG_FILE,
	.purpose =
	        "Verifies what Belfry's agents say, keeps the cluster's view, and republishes the stream.\n",
	.signals = "SIGHUP reads configuration, rules and keyring again and says what needs a restart;\n"
	           "SIGTERM and SIGINT end it with a goodbye on the stream.\n",
};

typedef struct {
	const char *file;
	collector_config_t *started; /* as it was at the start: what a restart would change */
	collector_config_t *current; /* as the last reload left it */
	fabric_t *fabric;
	loop_t *loop;
	int signo, failed;
} program_t;

/* Configuration and rules, both or neither. Errors go to the log. */
static int settings_load (
        const char *file, collector_config_t **ret, rule_set_t **ret_rules, conf_errors_t *errors)
{
	collector_config_t *config = NULL;
	int r = collector_config_load (file, &config, errors);
	if (!r)
		r = rule_set_load (&config->alerts.rules, ret_rules, errors);
	if (r) {
		collector_config_destroy (&config);
		return r;
	}
	*ret = config;
	return 0;
}

static void on_client_wrong (void *arg, const char *file, unsigned line, const char *text)
{
	conf_errors_add (arg, file, line, "%s", text);
}

/* The list of who may connect; *ret stays NULL without CURVE. Everything that is wrong goes to the log. */
static int clients_read (const collector_config_t *config, clients_t **ret)
{
	conf_errors_t errors = { 0 };
	if (!config->security.curve || !config->security.clients)
		return 0;
	int r = clients_load (config->security.clients, on_client_wrong, &errors, ret);
	if (r)
		program_errors_say (&about, &errors);
	else if ((*ret)->n == 0)
		log_warning ("collector", "%s names nobody: nobody can connect", config->security.clients);
	conf_errors_clear (&errors);
	return r;
}

/* Reload. */

static void reload (program_t *self)
{
	conf_errors_t errors = { 0 };
	collector_config_t *config = NULL;
	rule_set_t *rules = NULL;
	keyring_t *keyring = NULL;
	clients_t *clients = NULL;
	err_t err = { "" };
	if (settings_load (self->file, &config, &rules, &errors)) {
		program_errors_say (&about, &errors);
		log_error ("collector", "reload: nothing was changed, because of the errors above");
		goto out;
	}
	/* Keyed and insecure do not change into each other without a restart. */
	if (self->started->security.keyring && config->security.keyring &&
	        keyring_load (config->security.keyring, &keyring, &err)) {
		log_error ("collector", "reload: nothing was changed: %s", err.text);
		goto out;
	}
	if (self->started->security.curve && clients_read (config, &clients)) {
		log_error ("collector", "reload: nothing was changed, because of the errors above");
		goto out;
	}
	program_changes_t changes;
	program_changes (
	        collector_config_table (), self->started, self->current, config, &changes, NULL, NULL);
	size_t n_rules = rules->n, n_clients = clients ? clients->n : 0;
	if (fabric_reload (self->fabric, keyring, rules, clients)) {
		log_error ("collector", "reload: nothing was changed: the fabric takes no command");
		goto out;
	}
	log_set_level ((log_level_t) config->log_level);
	char what[96], who[32] = "";
	if (clients)
		snprintf (who, sizeof who, ", %zu clients", n_clients);
	snprintf (what, sizeof what, "%zu rules%s%s", n_rules, keyring ? ", keyring" : "", who);
	program_changes_say (&about, what, &changes);
	if (self->current != self->started)
		collector_config_destroy (&self->current);
	self->current = config;
	conf_errors_clear (&errors);
	return;
out:
	keyring_destroy (&keyring);
	clients_destroy (&clients);
	rule_set_destroy (&rules);
	collector_config_destroy (&config);
	conf_errors_clear (&errors);
}

static void on_signal (void *arg, int signo)
{
	program_t *self = arg;
	if (signo == SIGHUP) {
		reload (self);
	} else if (signo == SIGTERM || signo == SIGINT) {
		self->signo = signo;
		loop_stop (self->loop);
	}
}

static void on_fabric_end (void *arg, int fd, short revents)
{
	program_t *self = arg;
	(void) fd;
	(void) revents;
	log_error ("collector", "the fabric's loop failed; ending");
	self->failed = 1;
	loop_stop (self->loop);
}

/* A descriptor a connection: a large cluster passes the usual soft limit. */
static void descriptors_raise (uint64_t nodes_max)
{
	struct rlimit limit;
	if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit (RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < 3 * nodes_max)
		log_debug ("collector",
		        "%" PRIu64 " descriptors are not enough for nodes_max %" PRIu64
		        " (three a node); see `ulimit -n`",
		        (uint64_t) limit.rlim_cur, nodes_max);
}

static int incarnation_take (state_t *state, uint64_t *ret)
{
	err_t err = { "" };
	int r = state_incarnation (state, wall_now (), ret, &err);
	if (r < 0)
		log_error ("collector", "%s", err.text);
	else if (r > 0)
		log_warning ("collector", "%s", err.text);
	return r < 0 ? r : 0;
}

/* Everything that can fail, in the order in which a person would want to hear of it. rules is taken. */
static int start (program_t *self, state_t **state, net_context_t **context, rule_set_t *rules)
{
	const collector_config_t *config = self->started;
	curve_key_t *curve = NULL;
	clients_t *clients = NULL;
	err_t err = { "" };
	fabric_options_t options = { .stream_in = config->stream_in,
		.stream_out = config->stream_out,
		.control = config->control,
		.keyring_free = keyring_destroy,
		.rules_free = rule_set_destroy };
	int r = config->security.keyring
	                ? keyring_load (config->security.keyring, &options.core.keyring, &err)
	                : 0;
	if (!r && config->security.curve)
		r = curve_key_load (config->security.curve, &curve, &err);
	if (!r && (r = clients_read (config, &clients)))
		error_set (&err, r, "nothing starts, because of the errors above");
	if (!r)
		r = state_open (config->state_dir, state, &err);
	if (!r && (r = incarnation_take (*state, &options.core.incarnation)))
		goto fail;
	if (!r && (r = net_context_new (1, context)))
		error_set (&err, r, "ZeroMQ does not start: %s", strerror (-r));
	if (r) {
		log_error ("collector", "%s", err.text);
		goto fail;
	}
	options.context = *context;
	options.journal.directory = config->state_dir;
	options.journal.retain_ns = config->journal.retain_ns;
	options.journal.retain_bytes = config->journal.size;
	options.curve = curve;
	options.clients = clients;
	options.core.cluster = config->cluster;
	options.core.name = config->name;
	options.core.version = BELFRY_VERSION;
	options.core.rules = rules;
	options.core.nodes_max = (uint32_t) config->nodes_max;
	options.core.expected = (const char *const *) config->expected_nodes.items;
	options.core.n_expected = config->expected_nodes.n;
	randombytes_buf (&options.core.boot_nonce, sizeof options.core.boot_nonce);
	uint64_t incarnation = options.core.incarnation;
	if (!options.core.keyring)
		log_warning ("collector",
		        "INSECURE: events are neither signed nor checked, as the configuration says");
	if (options.core.keyring && !curve)
		log_info ("collector", "no CURVE: anybody on this machine may watch and command");
	r = fabric_new (&options, &self->fabric, &err);
	curve_key_destroy (&curve);
	clients_destroy (&clients);
	if (r) {
		log_error ("collector", "%s", err.text);
		return r;
	}
	log_info ("collector",
	        "collector '%s' of cluster '%s', incarnation %" PRIu64 ": stream in %s, out %s, control %s",
	        config->name, config->cluster, incarnation, fabric_stream_in (self->fabric),
	        fabric_stream_out (self->fabric), fabric_control (self->fabric));
	if (config->http)
		log_info ("collector", "http: %s is configured, but this release serves no HTTP yet",
		        config->http);
	return 0;
fail:
	curve_key_destroy (&curve);
	clients_destroy (&clients);
	keyring_destroy (&options.core.keyring);
	rule_set_destroy (&rules);
	return r;
}

static int run (program_t *self)
{
	int r = loop_new (&self->loop);
	if (!r)
		r = loop_on_signals (self->loop, on_signal, self);
	if (!r)
		r = loop_add_fd (self->loop, fabric_descriptor (self->fabric), POLLIN, on_fabric_end, self);
	if (!r)
		r = loop_run (self->loop);
	if (r)
		log_error ("collector", "the loop failed: %s", strerror (-r));
	else if (self->signo)
		log_info ("collector", "ending, as signal %d asks", self->signo);
	fabric_destroy (&self->fabric, "shutdown");
	loop_destroy (&self->loop);
	return r || self->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main (int argc, char **argv)
{
	program_t self = { 0 };
	program_options_t given;
	int status;
	if (!program_options (&about, collector_config_table (), argc, argv, &given, &status))
		return status;
	self.file = given.file;
	conf_errors_t errors = { 0 };
	rule_set_t *rules = NULL;
	int r = settings_load (self.file, &self.started, &rules, &errors);
	if (r || given.check) {
		conf_errors_print (&errors, stderr);
		if (!r)
			printf ("%s: good, with %zu rules\n", self.file ? self.file : about.file, rules->n);
		conf_errors_clear (&errors);
		rule_set_destroy (&rules);
		collector_config_destroy (&self.started);
		return r ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	self.current = self.started;
	log_set_level ((log_level_t) self.started->log_level);
	if (sodium_init () < 0) {
		log_error ("collector", "libsodium does not start");
		return EXIT_FAILURE;
	}
	loop_block_signals ();
	descriptors_raise (self.started->nodes_max);
	state_t *state = NULL;
	net_context_t *context = NULL;
	status = start (&self, &state, &context, rules) ? EXIT_FAILURE : run (&self);
	net_context_destroy (&context);
	state_close (&state);
	if (self.current != self.started)
		collector_config_destroy (&self.current);
	collector_config_destroy (&self.started);
	return status;
}
