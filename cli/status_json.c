#include "cli/alert_view.h"
#include "cli/status_view.h"
#include "wire/describe.h"

static void write_double (json_writer_t *json, const char *key, double value)
{
	json_write_key (json, key);
	json_write_double (json, value);
}

static void components_json (json_writer_t *json, const Belfry__V1__NodeView *node)
{
	json_write_key (json, "components");
	json_write_begin_array (json);
	for (size_t i = 0; i < node->n_components; i++) {
		const Belfry__V1__ComponentView *component = node->components[i];
		json_write_begin_object (json);
		json_write_key_string (json, "name", component->name);
		json_write_key_string (json, "status", status_name (component->status));
		json_write_key_moment (json, "since", component->since_ns);
		if (component->details[0])
			json_write_key_string (json, "details", component->details);
		json_write_end_object (json);
	}
	json_write_end_array (json);
}

static void peers_json (json_writer_t *json, const Belfry__V1__NodeView *node)
{
	char state[ENUM_TEXT_MAX];
	json_write_key (json, "peers");
	json_write_begin_array (json);
	for (size_t i = 0; i < node->n_peers; i++) {
		const Belfry__V1__PeerView *peer = node->peers[i];
		json_write_begin_object (json);
		json_write_key_string (json, "node", peer->node);
		json_write_key_string (json, "state",
		        enum_text (&belfry__v1__peer_state__descriptor, (int) peer->state, state));
		json_write_key_u64 (json, "rtt_ns", peer->rtt_ns);
		json_write_key_u64 (json, "age_ns", peer->age_ns);
		json_write_end_object (json);
	}
	json_write_end_array (json);
}

static void node_json (json_writer_t *json, const Belfry__V1__NodeView *node)
{
	char text[ENUM_TEXT_MAX];
	json_write_begin_object (json);
	json_write_key_string (json, "name", node->name);
	json_write_key_string (
	        json, "state", enum_text (&belfry__v1__node_state__descriptor, (int) node->state, text));
	/* Only what is down has a kind. */
	json_write_key (json, "kind");
	if (node->kind)
		json_write_string (
		        json, enum_text (&belfry__v1__node_kind__descriptor, (int) node->kind, text));
	else
		json_write_null (json);
	json_write_key_string (json, "status", status_name (node->status));
	json_write_key_moment (json, "since", node->since_ns);
	json_write_key_u64 (json, "last_seen_ms", node->last_seen_ms);
	json_write_key_u64 (json, "incarnation", node->incarnation);
	json_write_key_string (json, "version", node->version);
	json_write_key_bool (json, "ephemeral", node->ephemeral);
	json_write_key_u64 (json, "received", node->received);
	json_write_key_u64 (json, "refused", node->refused);
	json_write_key_u64 (json, "lost_volatile", node->lost_volatile);
	json_write_key_u64 (json, "lost_durable", node->lost_durable);
	json_write_key_u64 (json, "late", node->late);
	json_write_key_u64 (json, "replayed", node->replayed);
	json_write_key_u64 (json, "scheduling_delay_ns", node->scheduling_delay_ns);
	json_write_key_u64 (json, "heartbeat_age_ns", node->heartbeat_age_ns);
	json_write_key (json, "evidence");
	json_write_begin_array (json);
	for (size_t i = 0; i < node->n_evidence; i++)
		json_write_string (json, node->evidence[i]);
	json_write_end_array (json);
	components_json (json, node);
	peers_json (json, node);
	json_write_key (json, "figures");
	json_write_begin_object (json);
	for (size_t i = 0; i < node->n_figures; i++)
		write_double (json, node->figures[i]->name, node->figures[i]->value);
	json_write_end_object (json);
	json_write_end_object (json);
}

static void subscriber_json (json_writer_t *json, const Belfry__V1__Subscriber *subscriber)
{
	json_write_begin_object (json);
	json_write_key_string (json, "address", subscriber->address);
	if (subscriber->user[0])
		json_write_key_string (json, "user", subscriber->user);
	json_write_key_moment (json, "since", subscriber->since_ns);
	json_write_key_u64 (json, "subscriptions", subscriber->subscriptions);
	json_write_key_u64 (json, "queued_bytes", subscriber->queued_bytes);
	json_write_key_bool (json, "slow", subscriber->slow);
	json_write_end_object (json);
}

void status_json (buffer_t *line, const Belfry__V1__StatusReply *status)
{
	char text[ENUM_TEXT_MAX];
	json_writer_t json = json_writer_on (line);
	json_write_begin_object (&json);
	json_write_key_string (&json, "cluster", status->cluster);
	json_write_key_string (&json, "collector", status->collector);
	json_write_key_string (&json, "version", status->version);
	json_write_key_bool (&json, "insecure", status->insecure);
	json_write_key_string (&json, "status", status_name (status->status));
	json_write_key_string (
	        &json, "quorum", enum_text (&belfry__v1__quorum__descriptor, (int) status->quorum, text));
	json_write_key_moment (&json, "now", status->now_ns);
	json_write_key_moment (&json, "started", status->started_ns);
	json_write_key (&json, "nodes");
	json_write_begin_array (&json);
	for (size_t i = 0; i < status->n_nodes; i++)
		node_json (&json, status->nodes[i]);
	json_write_end_array (&json);
	json_write_key (&json, "alerts");
	json_write_begin_array (&json);
	for (size_t i = 0; i < status->n_alerts; i++)
		alert_json (&json, status->alerts[i]);
	json_write_end_array (&json);
	json_write_key (&json, "subscribers");
	json_write_begin_array (&json);
	for (size_t i = 0; i < status->n_subscribers; i++)
		subscriber_json (&json, status->subscribers[i]);
	json_write_end_array (&json);
	json_write_key (&json, "refusals");
	json_write_begin_object (&json);
	for (size_t i = 0; i < status->n_refusals; i++)
		json_write_key_u64 (&json, status->refusals[i]->reason, status->refusals[i]->count);
	json_write_end_object (&json);
	json_write_key (&json, "counters");
	json_write_begin_object (&json);
	for (size_t i = 0; i < status->n_counters; i++)
		json_write_key_u64 (&json, status->counters[i]->name, status->counters[i]->value);
	json_write_end_object (&json);
	json_write_end_object (&json);
}
