/* What this process remembers durably: one door over the log for decisions, connections, identities, touched Redis slots and
 * people's verdicts. Leaves bytes on disk to wal/, payloads to xa/ and compensate/, and acting upon any of it to session/ and
 * resolver/. Every function may be called from any thread. */
#ifndef PROXY_JOURNAL_JOURNAL_H
#define PROXY_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "compensate/journal.h"
#include "proxy/config/config.h"
#include "wal/wal.h"
#include "xa/decision.h"
#include "xa/registry.h"

struct journal;

/* on_durable runs in the log thread after each sync (wal.h). NULL with `error` filled. */
struct journal *journal_open(const struct config *config, wal_durable_fn on_durable, void *arg, struct wal_error *error);
/* Makes what was read safe to act upon. Then, and only then, transactions may begin. */
enum wal_status journal_start(struct journal *j, struct wal_error *error) MUST_USE;
void journal_close(struct journal *j);

struct wal *journal_wal(struct journal *j);
struct xa_registry *journal_registry(struct journal *j);
const char *journal_node(const struct journal *j);
const char *journal_log_id(const struct journal *j);
uint64_t journal_epoch(const struct journal *j);
/* What the fences of this log's starts are called in Redis: another log of this node has fences of its own. */
const char *journal_fence(const struct journal *j);

/* --- transactions: each holds the horizon below which settled decisions are forgotten --- */
struct journal_live {
    struct list link;
    uint64_t counter;
};
void journal_begin(struct journal *j, struct journal_live *live, struct xa_gtrid *out); /* its name, and its entry */
void journal_end(struct journal *j, struct journal_live *live);
/* Before its end: its undo records in this resource are the resolver's, and hold the horizon until they are swept. */
void journal_undo_left(struct journal *j, const struct journal_live *live, const char *resource);
/* A sweep of this resource left nothing undone of what had ended at since_ms (clock_mono_ms). */
void journal_undo_swept(struct journal *j, const char *resource, int64_t since_ms);

/* --- decisions --- */

/* Room for a decision of this size and its DONE, in bytes for journal_unreserve; 0: there is none, refuse the transaction. */
size_t journal_reserve(struct journal *j, unsigned n_branches, unsigned n_slots) MUST_USE;
void journal_unreserve(struct journal *j, size_t bytes);
/* Enters the registry, appends. The position must be durable before anybody acts upon it. */
wal_pos journal_decide(struct journal *j, const struct xa_decision *d);
/* Everything is settled: appended lazily; leaves the registry. */
void journal_done(struct journal *j, const char *gtrid);
/* Is there a decision to commit, open or settled but still remembered (Redis may bring an old undo record back)? */
bool journal_decided(struct journal *j, const char *gtrid);

/* --- the horizon --- */
/* Below it decisions of transactions that wrote to this resource may be forgotten: their absence proves nothing. */
void journal_horizon(struct journal *j, const char *resource, struct comp_horizon_record *out);
/* Every slot of the resource that earlier epochs touched is clean: what shows up of them later than forget_after is an orphan. */
void journal_horizon_to_epoch(struct journal *j, const char *resource);

/* --- backend connections that may come to hold a prepared branch --- */
wal_pos journal_connection_opened(struct journal *j, const struct xa_connection *c);
void journal_connection_closed(struct journal *j, const char *backend, uint64_t connection_id, int64_t opened_ms);
/* Connections of earlier epochs not yet known to be gone (journal_connection_closed says so). Copies up to max; returns how many
 * there are. */
unsigned journal_old_connections(struct journal *j, const char *backend, struct xa_connection *out, unsigned max);

/* --- identities --- */
bool journal_identity(struct journal *j, const char *backend, struct xa_identity *out);
void journal_identity_set(struct journal *j, const struct xa_identity *identity); /* durable on return: blocks */
/* Another backend's name has this identity: its name goes to `by`. */
bool journal_identity_taken(struct journal *j, const char *backend, const char *server, char *by, size_t by_size);

/* --- Redis slots --- */
/* Position of this epoch's touch record for (resource, slot), appended at the first call; 0: the log has no room. */
wal_pos journal_touch(struct journal *j, const char *resource, uint16_t slot);
void journal_each_touched(struct journal *j, const char *resource, void (*each)(void *arg, uint16_t slot), void *arg);

/* --- people --- */
void journal_person_verdict(struct journal *j, const struct xa_person_verdict *v); /* durable on return: blocks */
bool journal_person_said(struct journal *j, const char *gtrid, struct xa_person_verdict *out);
void journal_person_done(struct journal *j, const char *gtrid);
/* Logs of our node that a person let us settle (xactl adopt). */
bool journal_adopted(struct journal *j, const char *log_id);
void journal_adopt(struct journal *j, const char *log_id, const char *who);
size_t journal_adoptions(struct journal *j); /* how many */

#endif
