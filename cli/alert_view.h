/* alert_view.h - an alert as JSON and as a row of a table, for status and alerts. */

#ifndef CLI_ALERT_VIEW_H
#define CLI_ALERT_VIEW_H

#include "base/json_writer.h"
#include "belfry/v1/alerts.pb-c.h"
#include "cli/table.h"

/* The object of interfaces.md, and what else is said. */
void alert_json (json_writer_t *json, const Belfry__V1__Alert *alert);

/* Columns of alert_row. */
enum { ALERT_COLUMNS = 7 };
extern const table_column_t alert_columns[ALERT_COLUMNS];
void alert_row (table_t *table, const Belfry__V1__Alert *alert, uint64_t now_ns);

/* RFC 3339 with nanoseconds behind a key; null for 0. */
void json_write_key_moment (json_writer_t *json, const char *key, uint64_t ns);

/* "12s" since a moment of the collector's clock, "" for 0. Returns text. */
char *age_text (uint64_t now_ns, uint64_t since_ns, char text[DURATION_TEXT_MAX]);

#endif
