/* Where peers are told to find this node. */

#include <criterion/criterion.h>
#include <string.h>

#include "agents/reach.h"

static char collector_control[] = "tcp://127.0.0.1:7703", stream[] = "tcp://127.0.0.1:7701";
static agent_collector_t collectors[] = { { stream, collector_control } };

static const char *reach (const char *bound, char *advertise)
{
	static char out[160];
	static agent_config_t made;
	made = (agent_config_t){ .peer_advertise = advertise };
	made.collectors.items = collectors;
	made.collectors.n = 1;
	reach_peer_address (&made, bound, out, sizeof out);
	return out;
}

Test (reach, without_a_listener_nobody_can)
{
	cr_assert_str_eq (reach (NULL, NULL), "");
}

Test (reach, an_address_of_its_own_is_said_as_bound)
{
	cr_assert_str_eq (reach ("tcp://127.0.0.1:7704", NULL), "tcp://127.0.0.1:7704");
}

Test (reach, what_is_advertised_wins)
{
	char given[] = "tcp://203.0.113.7:7704";
	cr_assert_str_eq (reach ("tcp://0.0.0.0:7704", given), given);
}

Test (reach, every_address_becomes_the_one_towards_the_collector)
{
	cr_assert_str_eq (reach ("tcp://0.0.0.0:7704", NULL), "tcp://127.0.0.1:7704");
}
