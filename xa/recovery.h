/* What to do with what XA RECOVER lists: pure judgement over records and lists.
 *
 * A sweep of one server: list; ask every worker which transactions it has in hand and wait for all; list again; judge
 * each row of the second list. A transaction enters the live table before its first PREPARE, and its decision enters the
 * registry before it leaves the live table: so what was listed before the workers were asked, is in nobody's hand and is
 * not decided, never will be. */
#ifndef XA_RECOVERY_H
#define XA_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "xa/registry.h"

#define XA_FATES(X) \
    X(COMMIT, "ours and decided: commit") \
    X(ROLLBACK, "ours, not decided, nobody works on it: roll back") \
    X(WAIT, "ours and live, or too young: look again") \
    X(FOREIGN, "not ours: show, never touch") \
    X(OTHER_LOG, "our node's name or log id, but not both, or a later epoch: show until adopted") \
    X(PERSON, "a person has decided")
enum xa_fate {
#define X(name, text) XA_FATE_##name,
    XA_FATES(X)
#undef X
};
const char *xa_fate_text(enum xa_fate fate);

struct xa_recovered { /* one row of XA RECOVER */
    uint64_t format_id;
    struct slice gtrid, bqual;
};

struct xa_recovery_view {
    const char *node, *log_id;
    uint64_t epoch; /* of this start: a later one in a gtrid means that another copy of the log is at work */
    struct xa_registry *registry;
    bool (*live)(void *arg, const char *gtrid);      /* some worker had it in hand when they were asked */
    bool (*judged)(void *arg, const char *gtrid);    /* a person's verdict is in our log; NULL: there are none */
    bool (*adopted)(void *arg, const char *log_id);  /* a person gave us that log's branches; NULL: none */
    void *arg;                                       /* for the three above */
    bool seen_before; /* it was in the list before the workers were asked as well */
};
/* After the second list. */
enum xa_fate xa_recovery_fate(const struct xa_recovery_view *view, const struct xa_recovered *row);

/* A branch that is decided and not listed any more (or 1397 to XA COMMIT). A branch leaves the list when its COMMIT
 * begins, and a crash in its midst brings it back as prepared; so all three facts below, and that the registry holds the
 * branch as open and the resolver's, must have been so BEFORE the list was made that it is missing from (the model
 * breaks otherwise). old_connection_gone: no connection of ours lives there that could hold the branch or be in the midst of
 * its COMMIT: the worker's, and the resolver's own after a lost reply. */
#define XA_ABSENCES(X) \
    X(SETTLED, "prepared before, server not restarted, old connections gone: done") \
    X(LOOK_AGAIN, "an old connection may live: kill it, look again") \
    X(PRESUMED, "server restarted since, clean backend: counts as committed, counted") \
    X(HEURISTIC, "server restarted since, backend not clean: shown to a person")
enum xa_absence {
#define X(name, text) XA_ABSENCE_##name,
    XA_ABSENCES(X)
#undef X
};
enum xa_absence xa_recovery_absent(bool old_connection_gone, bool restarted_since_prepare, bool clean_backend);
const char *xa_absence_text(enum xa_absence absence);

#endif
