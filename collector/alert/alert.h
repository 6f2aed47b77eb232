/* alert.h - one alert: a rule about one subject, through its life (architecture.md, "Alerts"). Pure. One
 * owner, not thread-safe.
 *
 * Its fingerprint is of the rule's name and the subject alone, so it stays the same over reloads,
 * restarts and collectors. Its strings are its own: it outlives its rule, which a reload may take. */

#ifndef COLLECTOR_ALERT_ALERT_H
#define COLLECTOR_ALERT_ALERT_H

#include "base/clock.h"
#include "belfry/v1/alerts.pb-c.h"
#include "belfry/v1/memory.pb-c.h"
#include "collector/view/catalogue.h"
#include "collector/view/node.h"
#include "conf/rule.h"

/* A resolved alert is shown, and known again when it comes back, for so long. */
#define ALERT_RESOLVED_NS (300 * NS_PER_S)
/* Three times firing within this is flapping. */
#define ALERT_FLAP_NS (600 * NS_PER_S)

enum { ALERT_FINGERPRINT_SIZE = 33, ALERT_FLAPS = 3, ALERT_SUMMARY_MAX = 2048 };

/* Whom a rule is about; all borrowed. */
typedef struct {
	const node_t *node;     /* NULL: the cluster */
	const char *component;  /* of a component's status; else NULL */
	const char *source;     /* of a series; else NULL */
	const series_t *series; /* else NULL */
} subject_t;

/* What the rule's condition is. */
typedef enum {
	CONDITION_FALSE,
	CONDITION_TRUE,
	CONDITION_LOST, /* the data stopped: nobody knows */
	CONDITION_VOID  /* there is no such rule, or no such node, any more */
} condition_t;

/* What a step did. SAME; CHANGED: its state is another, to be said; OVER: it is to be forgotten, after
 * it was said where it is pending or unknown no more without ever having fired. */
typedef enum { ALERT_SAME, ALERT_CHANGED, ALERT_OVER } alert_outcome_t;

typedef struct alert {
	const rule_t *rule; /* NULL: it is gone */
	const node_t *node;
	char fingerprint[ALERT_FINGERPRINT_SIZE];
	Belfry__V1__AlertState state; /* 0: it is not */
	bool fired;                   /* in this episode */
	mono_t holds_since, held_at;  /* this episode; the last moment at which it held */
	mono_t resolved_at, said_at;
	wall_t starts, ends;
	mono_t fired_at[ALERT_FLAPS]; /* the newest first; 0: never */
	uint32_t repeats;
	bool crossed; /* its series is past the threshold, and not back past `clear` */
	double value; /* NAN: none */
	const struct alert *inhibitor;

	/* One of an earlier run waits so long for its data, which the view has to learn again; 0: it has it. */
	mono_t waits_until;

	/* The engine's notes while it looks at a node. */
	bool seen, changed;
	bool remember; /* it is not in the memory as it is */
	condition_t condition;
	alert_outcome_t outcome;
	mono_t seen_at;
	double seen_value;

	/* Whom it is about, copied. */
	char *component, *source, *metric;
	char **pairs; /* the series' labels: key, value */
	uint32_t n_pairs;
	char *unit;

	/* What is published: strings of its own, of the node, and of this struct. */
	Belfry__V1__Alert message;
	char *name, *summary, *description, *runbook;
	Belfry__V1__Label *labels, **labels_p;
	Belfry__V1__Label annotation, *annotation_p;
	double rendered; /* the value that summary tells */
	const char *cluster;
} alert_t;

/* Makes an alert that is not yet. cluster: borrowed for its life. rule NULL: it says nothing yet, and
 * alert_adopt_message follows. 0 or -ENOMEM. */
int alert_new (const rule_t *rule, const subject_t *subject, const char *cluster, alert_t **ret);
void alert_destroy (alert_t **self_p);

/* Makes its fingerprint, of its name and its subject. */
void alert_fingerprint (alert_t *self);
/* Whether it is about this subject; both of one rule. */
bool alert_about (const alert_t *self, const subject_t *subject);
/* The same labels; the order does not count. */
bool alert_same_series (const series_t *a, const series_t *b);
/* Whether the rule, of the same name as its own was, is still about its subject. */
bool alert_fits (const alert_t *self, const rule_t *rule);
/* The rule changed, or came back: takes what it says from it. 0, or -ENOMEM with nothing changed. */
int alert_adopt (alert_t *self, const rule_t *rule);
/* Whether all of the rule's matchers hold for the subject. */
bool alert_matches (const rule_t *rule, const subject_t *subject);

/* Time passes, and the condition is this. */
alert_outcome_t alert_step (alert_t *self, condition_t condition, moment_t now);

/* Whether it ails now: pending, firing or unknown. */
bool alert_active (const alert_t *self);
/* Crossed or not, after this value: with the rule's hysteresis. */
bool alert_cross (const rule_t *rule, bool crossed, double value);

/* What it is, for the next run of the collector, packed; malloc'ed. 0 or -ENOMEM. */
int alert_pack (alert_t *self, moment_t now, uint8_t **ret, size_t *ret_size);
/* The same again, of an earlier run: its moments move by shift. rule: of the same name, or NULL where there is
 * none or it is about others now. 0; -EINVAL where memory is none of this node's; -ENOMEM. */
int alert_restore (const Belfry__V1__AlertMemory *memory, const rule_t *rule, const node_t *node,
        const char *cluster, int64_t shift, moment_t now, alert_t **ret);
/* What it says is what that message says. 0, or -ENOMEM with nothing changed. */
int alert_adopt_message (alert_t *self, const Belfry__V1__Alert *message);

/* Its message, written anew where something in it changed; borrowed until the next call. */
Belfry__V1__Alert *alert_message (alert_t *self, moment_t now);

#endif
