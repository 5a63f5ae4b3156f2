/* What the files of this folder share: the lists behind the log's records. */
#ifndef PROXY_JOURNAL_IMPL_H
#define PROXY_JOURNAL_IMPL_H

#include <pthread.h>

#include "proxy/journal/actions.h"
#include "proxy/journal/horizon.h"
#include "proxy/journal/journal.h"

struct kept_decision { /* settled, kept until the horizon passes it */
    struct list link;
    struct xa_gtrid gtrid;
    uint64_t epoch, counter;
    size_t len;
    uint8_t payload[];
};
struct known_connection {
    struct list link;
    uint64_t epoch;
    struct xa_connection connection;
};
struct known_identity {
    struct list link;
    struct xa_identity identity;
};
/* Undo records of a transaction that ended here: its resolver's, who finds them again only above the horizon. */
struct left_undo {
    struct list link;
    uint64_t counter;
    int64_t left_ms; /* monotonic */
    char resource[COMP_RESOURCE_MAX + 1];
};
struct known_touch {
    struct list link;
    struct known_touch *next; /* in its bucket */
    struct comp_touch_record touch;
    wal_pos durable_at; /* 0: touched by an earlier epoch only */
};
struct known_verdict {
    struct list link;
    struct xa_person_verdict verdict;
};
struct adoption {
    char log_id[9];
    char who[96];
};
struct known_adoption {
    struct list link;
    struct adoption adoption;
};

/* Actions (actions.c). The lock is taken after the journal's, before wal's and the registry's; held over a snapshot of actions
 * and decisions, so that no decision is in it without the actions that were armed before. */
struct journal_actions {
    pthread_mutex_t lock;
    struct action_schedule *schedule;
    uint64_t next_id, max_bytes;
    unsigned max;
    struct list undurable; /* owners that are decided, by the position of the decision */
    _Atomic unsigned n_undurable;
    struct list watches, crews;
    struct journal_action_stats count; /* without `now` */
};

struct journal {
    struct wal *wal;
    struct xa_registry *registry;
    char node[XA_NODE_MAX + 1];
    char fence[XA_NODE_MAX + 16]; /* node and log */
    char *dir;
    wal_durable_fn on_durable;
    void *on_durable_arg;
    pthread_mutex_t lock; /* for what follows; taken before the registry's own, wal's and live_lock */
    struct list kept, connections, identities, touches, verdicts, adoptions;
    struct known_touch *touch_bucket[1024]; /* of `touches`: a cluster has 16384 slots, and each first write there looks */
    size_t kept_bytes, kept_max; /* of `kept` in a head of the log; above the maximum no horizon waits for its time */
    struct horizon *horizons;    /* one a resource: decisions below may be forgotten */
    size_t n_horizons;
    int64_t forget_after_ms;
    pthread_mutex_t live_lock; /* for what follows: no BEGIN waits for a snapshot */
    uint64_t counter;          /* of gtrids */
    struct list live, left;
    struct journal_actions actions;
};

/* --- actions.c --- */
void journal_actions_init(struct journal *j, const struct config *config);
void journal_actions_fini(struct journal *j);
bool journal_actions_on_record(struct journal *j, uint8_t type, struct slice payload);
void journal_actions_replay_decision(struct journal *j, const struct xa_decision *d);
void journal_actions_presume(struct journal *j); /* all was read, nobody acts yet */
void journal_actions_snapshot(struct journal *j, struct wal_snapshot *out); /* its lock is held */
void journal_actions_decided(struct journal *j, const struct xa_decision *d, wal_pos at);
void journal_actions_durable(struct journal *j, wal_pos durable);
/* The lock is held. */
wal_pos journal_append_change(struct journal *j, const struct action_change *change, bool lazy);
void journal_append_dropped(void *arg, uint64_t id); /* arg: the journal; lazily */
void journal_tell_watches(struct journal *j, const char *owner);
void journal_actions_wake_ready(struct journal *j);
/* --- action_runs.c --- */
void journal_crews_free(struct journal *j);

/* --- memory.c: what the old log said, and what is handed to a new segment --- */
bool journal_on_record(void *arg, const struct wal_record *r, char *why, size_t why_size);
void journal_on_snapshot(void *arg, struct wal_snapshot *out);
/* The lock is held, or nobody else runs yet; so for all below. */
void journal_settle(struct journal *j, const char *gtrid);
struct horizon *journal_find_horizon(struct journal *j, const char *resource); /* NULL: no such resource */
void journal_note_connection(struct journal *j, uint64_t epoch, const struct xa_connection *c);
void journal_note_identity(struct journal *j, const struct xa_identity *identity);
struct known_touch *journal_find_touch(struct journal *j, const char *resource, uint16_t slot);
struct known_touch *journal_add_touch(struct journal *j, const struct comp_touch_record *touch);
struct known_verdict *journal_find_verdict(struct journal *j, const char *gtrid);
void journal_add_verdict(struct journal *j, const struct xa_person_verdict *v);
void journal_drop_verdict(struct journal *j, const char *gtrid);
void journal_add_adoption(struct journal *j, const struct adoption *a);
bool journal_has_adoption(struct journal *j, const char *log_id);
void journal_adoption_write(struct buf *out, const struct adoption *a);
void *journal_new_known(size_t n); /* zeroed; never NULL */

#endif
