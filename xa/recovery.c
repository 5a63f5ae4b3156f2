/* Judgement over what servers list as prepared, and over what they do not list any more. */
#include "xa/recovery.h"

#include <string.h>


/* Ours by name and log, or given to us by a person. Presuming abort for anything else would be a guess. */
static bool ours(const struct xa_recovery_view *view, const struct xa_gtrid_parts *parts)
{
    if (!strcmp(parts->log_id, view->log_id) && !strcmp(parts->node, view->node))
        return parts->epoch <= view->epoch;
    return view->adopted && view->adopted(view->arg, parts->log_id);
}

static enum xa_fate fate_of_decided(enum xa_owner owner)
{
    return owner == XA_OWNER_RESOLVER ? XA_FATE_COMMIT : XA_FATE_WAIT;
}

static bool kin(const struct xa_recovery_view *view, const struct xa_gtrid_parts *parts)
{
    return !strcmp(parts->log_id, view->log_id) || !strcmp(parts->node, view->node);
}

enum xa_fate xa_recovery_fate(const struct xa_recovery_view *view, const struct xa_recovered *row)
{
    struct xa_gtrid_parts parts;
    struct xa_gtrid gtrid = {""};
    enum xa_owner owner;
    if (row->format_id != 1 || !xa_gtrid_parse(row->gtrid, &parts))
        return XA_FATE_FOREIGN;
    memcpy(gtrid.text, row->gtrid.at, row->gtrid.len);

    /* First the hands, then the book: a transaction is entered there before it leaves them. */
    if (view->live(view->arg, gtrid.text))
        return XA_FATE_WAIT;
    if (view->judged && view->judged(view->arg, gtrid.text))
        return XA_FATE_PERSON;
    if (xa_registry_find(view->registry, gtrid.text, NULL, &owner))
        return fate_of_decided(owner);
    if (!ours(view, &parts))
        return kin(view, &parts) ? XA_FATE_OTHER_LOG : XA_FATE_FOREIGN;
    return view->seen_before ? XA_FATE_ROLLBACK : XA_FATE_WAIT;
}

enum xa_absence xa_recovery_absent(bool old_connection_gone, bool restarted_since_prepare, bool clean_backend)
{
    if (!old_connection_gone) /* after a restart too: a resolver's COMMIT may be half-way there, and the next crash undo it */
        return XA_ABSENCE_LOOK_AGAIN;
    if (!restarted_since_prepare)
        return XA_ABSENCE_SETTLED;
    return clean_backend ? XA_ABSENCE_PRESUMED : XA_ABSENCE_HEURISTIC;
}

const char *xa_fate_text(enum xa_fate fate)
{
    static const char *const text[] = {
#define X(name, words) words,
        XA_FATES(X)
#undef X
    };
    return text[fate];
}

const char *xa_absence_text(enum xa_absence absence)
{
    static const char *const text[] = {
#define X(name, words) words,
        XA_ABSENCES(X)
#undef X
    };
    return text[absence];
}
