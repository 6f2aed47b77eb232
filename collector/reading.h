/* reading.h - what is asked of the journal over control, and how it is answered (schema: JournalRead,
 * JournalEvents). Pure. */

#ifndef COLLECTOR_READING_H
#define COLLECTOR_READING_H

#include "belfry/v1/control.pb-c.h"
#include "collector/core.h"
#include "collector/view/view.h"
#include "wire/arena.h"

enum { READING_PREFIXES_MAX = 64, READING_LIMIT_MAX = 4096 };

/* What asked means, borrowing from it. NULL with *ret; else the reason of a refusal, static, with its text. */
const char *reading_of (const Belfry__V1__JournalRead *asked, const view_t *view, core_reading_t *ret,
        char text[ERROR_TEXT_MAX]);

/* The answer, in arena, borrowing from page. 0 or -ENOMEM. */
int reading_answer (const core_page_t *page, bool chain, arena_t *arena, Belfry__V1__JournalEvents **ret);

/* The message of a checkpoint, borrowing from it. */
void reading_checkpoint (const checkpoint_t *checkpoint, Belfry__V1__Checkpoint *ret);

#endif
