/* An action: a statement on a server or a command on Redis, to be done once the outcome of its owner is known. What it is, its
 * states, and the payloads of its log records (wal/types.h: ACTION, ACTION_STATE, OUTCOME, ACTION_NEXT), writer and reader side
 * by side. Leaves when what is done to schedule.h. */
#ifndef ACTIONS_ACTION_H
#define ACTIONS_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cursor.h"

#define ACTION_OWNER_MAX 64 /* a gtrid */
#define ACTION_RESOURCE_MAX 32
#define ACTION_USER_MAX 128
#define ACTION_SCHEMA_MAX 64
#define ACTION_CHARSET_MAX 32
#define ACTION_KEY_MAX 64
#define ACTION_STEP_MAX 64
#define ACTION_ERROR_MAX 240
#define ACTION_BYTES_MAX (56 * 1024) /* body and arguments together: a log record is 60 KiB at most */
#define ACTION_ARGS_MAX 4096
#define ACTION_PERMANENT_TRIES 3
#define ACTION_ALARM_TRIES 10
#define ACTION_MAX_AGE_MS INT64_C(86400000)
#define ACTION_TIMEOUT_MS 30000

enum action_on { ACTION_ON_COMMIT, ACTION_ON_ROLLBACK };
enum action_kind { ACTION_SQL, ACTION_REDIS };

/* X(name, what it means) */
#define ACTION_STATES(X) \
    X(ARMED, "waits for the outcome of its transaction") \
    X(DUE, "is to be done") \
    X(RUNNING, "is being done") \
    X(WAIT, "failed, and will be tried again") \
    X(DEAD, "was given up: a person must retry, edit or dismiss it") \
    X(DONE, "was done") \
    X(DROPPED, "is not to be done: the outcome was the other one") \
    X(DISMISSED, "a person said that it need not be done")
enum action_state {
#define X(name, text) ACTION_##name,
    ACTION_STATES(X)
#undef X
    ACTION_STATE_COUNT
};
const char *action_state_name(enum action_state s);

enum action_value_kind { ACTION_NULL, ACTION_BYTES, ACTION_INT, ACTION_UINT, ACTION_DOUBLE };
struct action_value {
    enum action_value_kind kind;
    struct slice bytes; /* BYTES */
    union {
        int64_t i;
        uint64_t u;
        double d;
    };
};

struct action {
    uint64_t id;                           /* never given twice by a log that kept the action; 0 = none yet */
    char owner[ACTION_OWNER_MAX + 1];      /* gtrid of the transaction or saga */
    uint32_t seq;                          /* 1, 2, ... within the owner */
    enum action_on on;
    enum action_kind kind;
    char resource[ACTION_RESOURCE_MAX + 1]; /* name of the backend or Redis resource */
    char user[ACTION_USER_MAX + 1];        /* proxy user; its account there runs it */
    char schema[ACTION_SCHEMA_MAX + 1];    /* default schema of a statement, prefix of a command's keys; "" = none */
    char charset[ACTION_CHARSET_MAX + 1];  /* of a statement's text and arguments, or the number of a collation of it; "" =
                                              utf8mb4 */
    bool ansi_quotes, no_backslash_escapes; /* of the sql_mode that the statement was read with */
    char by[ACTION_OWNER_MAX + 1];         /* transaction of the saga's step that it belongs to: nothing is to be done unless
                                              that was decided; "" = the owner's outcome is all */
    bool happened;                         /* it was decided */
    bool probe;                            /* of a step that commits on `resource` by itself, behind its decision: asks there
                                              whether it did, before anything that the step registered is done */
    char step[ACTION_STEP_MAX + 1];        /* name of the saga's step; "" = none */
    /* options */
    char key[ACTION_KEY_MAX + 1]; /* actions with one key on one resource run one after another, over owners; "" = none */
    bool parallel;                /* neither waits for nor holds up others of its owner */
    bool idempotent;              /* the user's word: no barrier is needed */
    bool retriable;               /* a step that goes forward: tried again whatever the error, never given up */
    uint32_t max_attempts;        /* 0 = no limit of its own */
    int64_t max_age_ms;           /* on_commit, counted from when it became due; 0 = for ever */
    int32_t timeout_ms;           /* of one attempt */
    /* state */
    enum action_state state;
    uint32_t attempts;
    uint32_t permanent; /* errors in a row that no repetition mends */
    int64_t registered_ms, due_ms, next_ms; /* wall clock; 0 = not yet */
    char error[ACTION_ERROR_MAX + 1];       /* of the last attempt, printable, "code text"; "" = none */
    uint64_t behind;                        /* in a copy for people: the one that must be done first; 0 = none. In no record */

    struct slice body; /* the statement, or the command's name */
    uint32_t n_args;
    struct action_value *args;
};

/* Its options as they are without any. Everything else is zero. */
void action_init(struct action *a, enum action_on on, enum action_kind kind);
/* Whether body and arguments are within ACTION_BYTES_MAX and ACTION_ARGS_MAX. */
bool action_fits(const struct action *a) MUST_USE;
/* A copy that owns its body and arguments, in one piece; action_free frees it. */
struct action *action_copy(const struct action *a);
void action_free(struct action *a); /* NULL is allowed */

/* ACTION: all of it, with its state (a snapshot's copy may be due or dead). action_fits must hold. */
void action_write(struct buf *out, const struct action *a);
/* NULL: not a well-formed record. The caller frees it. RUNNING is not read back: it is WAIT, at once. */
struct action *action_read(struct slice payload);

/* ACTION_STATE: what an attempt or a person came to. A new body comes with an edited action's (body.at != NULL). */
struct action_change {
    uint64_t id;
    enum action_state state;
    uint32_t attempts, permanent;
    int64_t next_ms;
    char error[ACTION_ERROR_MAX + 1];
    struct slice body;
};
void action_change_write(struct buf *out, const struct action_change *c);
bool action_change_read(struct slice payload, struct action_change *c); /* body points into the payload */

/* OUTCOME: an owner without a decision record has ended; on_rollback is due, or (a saga's commit has a DECIDE) nothing. */
struct action_outcome {
    char owner[ACTION_OWNER_MAX + 1];
    bool committed;
    int64_t at_ms;
};
void action_outcome_write(struct buf *out, const struct action_outcome *o);
bool action_outcome_read(struct slice payload, struct action_outcome *o);

/* ACTION_NEXT: ids below were given. */
void action_next_write(struct buf *out, uint64_t next_id);
bool action_next_read(struct slice payload, uint64_t *next_id);

#endif
