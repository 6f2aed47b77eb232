/* levels.h - the words of log_level, which agent.def and collector.def share. The room's own. */

#ifndef CONF_LEVELS_H
#define CONF_LEVELS_H

#include "base/log.h"
#include "conf/table.h"

static const conf_word_t log_levels[] = {
	{ "debug", LOG_LEVEL_DEBUG },
	{ "info", LOG_LEVEL_INFO },
	{ "warning", LOG_LEVEL_WARNING },
	{ "error", LOG_LEVEL_ERROR },
	{ NULL, 0 },
};

#endif
