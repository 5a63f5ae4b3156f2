/* Actions for people: lists, one in full, and what a person says about one. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/admin/impl.h"
#include "proxy/journal/actions.h"
#include "proxy/session/table.h"

#define BODY_SHOWN 200 /* bytes, in a list */

/* --- texts ------------------------------------------------------------------------------------------------------------- */

static const char *on_text(const struct action *a)
{
    return a->on == ACTION_ON_COMMIT ? "commit" : "rollback";
}

void actions_put_number(struct buf *out, const struct action_value *v)
{
    if (v->kind == ACTION_INT)
        buf_printf(out, "%" PRId64, v->i);
    else if (v->kind == ACTION_UINT)
        buf_printf(out, "%" PRIu64, v->u);
    else
        buf_printf(out, "%.17g", v->d);
}

static void append_value(struct buf *out, const struct action_value *v)
{
    switch (v->kind) {
    case ACTION_NULL:
        buf_text(out, "NULL");
        break;
    case ACTION_BYTES: {
        char quoted[4 * BODY_SHOWN];
        buf_text(out, log_quote(quoted, sizeof quoted, v->bytes.at, v->bytes.len));
        break;
    }
    case ACTION_INT:
    case ACTION_UINT:
    case ACTION_DOUBLE:
        actions_put_number(out, v);
        break;
    }
}

static int64_t age_s(int64_t at_ms)
{
    int64_t age_ms = at_ms ? clock_wall_ms() - at_ms : 0;
    return age_ms > 0 ? age_ms / 1000 : 0;
}

/* --- lists ------------------------------------------------------------------------------------------------------------- */

struct list_of_actions {
    struct session_table table;
    enum admin_statement_kind which;
};

static bool is_wanted(enum admin_statement_kind which, const struct action *a)
{
    if (which == ADMIN_SHOW_ALL_ACTIONS)
        return true;
    return which == ADMIN_SHOW_DEAD_ACTIONS ? a->state == ACTION_DEAD : a->state != ACTION_ARMED;
}

static void add_behind(struct session_table *t, const struct action *a)
{
    if (a->behind)
        session_cell_number(t, (int64_t)a->behind);
    else
        session_cell(t, NULL);
}

static void add_action(void *arg, const struct action *a)
{
    struct list_of_actions *list = arg;
    struct session_table *t = &list->table;
    if (!is_wanted(list->which, a))
        return;
    session_cell_number(t, (int64_t)a->id);
    session_cell(t, action_state_name(a->state));
    session_cell(t, a->resource);
    session_cell(t, on_text(a));
    session_cell(t, a->owner);
    session_cell_number(t, a->seq);
    session_cell(t, a->user);
    session_cell_number(t, a->attempts);
    session_cell_number(t, age_s(a->registered_ms));
    add_behind(t, a);
    session_cell(t, *a->error ? a->error : NULL);
    session_cell_bytes(t, (struct slice){a->body.at, a->body.len < BODY_SHOWN ? a->body.len : BODY_SHOWN});
}

static void show_list(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {"id",       "state", "resource", "on",    "gtrid", "seq", "user",
                                          "attempts", "age_s", "behind",   "error", "body",  NULL};
    struct list_of_actions list = {.which = st->kind};
    session_table_init(&list.table, columns);
    list.table.numbers = 1 << 0 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9; /* id, seq, attempts, age_s, behind */
    journal_each_action(admin->world->journal, add_action, &list);
    session_table_answer(s, &list.table);
}

/* --- one --------------------------------------------------------------------------------------------------------------- */

static void fact(struct session_table *t, const char *name, const char *text)
{
    if (!*text)
        return;
    session_cell(t, name);
    session_cell(t, text);
}

static void PRINTF_LIKE(3, 4) fact_of(struct session_table *t, const char *name, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fact(t, name, text);
}

static const char *state_meaning(enum action_state state)
{
    static const char *const texts[] = {
#define X(name, text) text,
        ACTION_STATES(X)
#undef X
    };
    return texts[state];
}

static void add_state(struct session_table *t, const struct action *a)
{
    fact_of(t, "state", "%s: it %s", action_state_name(a->state), state_meaning(a->state));
    fact_of(t, "attempts", "%u", a->attempts);
    fact(t, "error", a->error);
    fact_of(t, "registered", "%" PRId64 " s ago", age_s(a->registered_ms));
    if (a->due_ms)
        fact_of(t, "due", "since %" PRId64 " s", age_s(a->due_ms));
    if (a->next_ms)
        fact_of(t, "next attempt", "in %" PRId64 " ms", a->next_ms > clock_wall_ms() ? a->next_ms - clock_wall_ms() : 0);
}

/* Only the first of an order or of a key runs: a dead one holds up all behind it until somebody says what becomes of it. */
static void add_obstacle(struct journal *j, struct session_table *t, const struct action *a)
{
    struct action *first = a->behind ? journal_action_find(j, a->behind) : NULL;
    if (!first)
        return;
    const char *why = *a->key && !strcmp(a->key, first->key) ? "of the same key" : "of the same transaction";
    const char *remedy = first->state == ACTION_DEAD ? ": RETRY, EDIT or DISMISS that one" : "";
    fact_of(t, "waits for", "action %" PRIu64 " %s, which is %s%s", first->id, why, action_state_name(first->state), remedy);
    action_free(first);
}

static void add_options(struct session_table *t, const struct action *a)
{
    fact(t, "key", a->key);
    if (a->max_attempts)
        fact_of(t, "max_attempts", "%u", a->max_attempts);
    if (a->max_age_ms)
        fact_of(t, "max_age", "%" PRId64 " s", a->max_age_ms / 1000);
    fact_of(t, "timeout", "%d ms", a->timeout_ms);
    fact(t, "order", a->parallel ? "parallel" : "strict");
    fact(t, "idempotent", a->idempotent ? "yes: nothing keeps it from being done twice" : "");
    fact(t, "probe", a->probe ? "yes: it finds out whether the step has committed on its server" : "");
    fact(t, "retriable", a->retriable ? "yes: it is never given up" : "");
}

static void add_work(struct session_table *t, const struct action *a)
{
    session_cell(t, "body");
    session_cell_bytes(t, a->body);
    for (uint32_t i = 0; i < a->n_args; i++) {
        struct buf text = {0};
        append_value(&text, &a->args[i]);
        session_cell_printf(t, "argument %u", i + 1);
        session_cell(t, buf_cstr(&text));
        buf_fini(&text);
    }
}

static void unknown(struct session *s, const char *id)
{
    session_answer_error(s, 1305, "42000", "action '%s' does not exist: it is done, or never was; see SHOW ACTIONS ALL", id);
}

static void show_one(const struct admin *admin, struct session *s, const struct admin_statement *st, uint64_t id)
{
    static const char *const columns[] = {"what", "value", NULL};
    struct action *a = journal_action_find(admin->world->journal, id);
    struct session_table t;
    if (!a) {
        unknown(s, st->argument);
        return;
    }
    session_table_init(&t, columns);
    fact_of(&t, "id", "%" PRIu64, a->id);
    fact_of(&t, "transaction", "%s, action %u, on %s", a->owner, a->seq, on_text(a));
    fact(&t, "step", a->step);
    fact_of(&t, "runs on", "%s as user %s", a->resource, a->user);
    fact(&t, a->kind == ACTION_SQL ? "schema" : "key_prefix", a->schema);
    add_state(&t, a);
    add_obstacle(admin->world->journal, &t, a);
    add_options(&t, a);
    add_work(&t, a);
    action_free(a);
    session_table_answer(s, &t);
}

/* --- what a person says -------------------------------------------------------------------------------------------------- */

static const char *objection(enum action_asked asked)
{
    switch (asked) {
    case ACTION_ASKED_RUNNING:
        return "it is being done at this moment: wait";
    case ACTION_ASKED_ARMED:
        return "its transaction has not ended";
    case ACTION_ASKED_NOT_DEAD:
        return "only one that is DEAD may be edited";
    default:
        return NULL;
    }
}

static bool edit_fits(struct journal *j, uint64_t id, struct slice body)
{
    struct action *a = journal_action_find(j, id);
    struct action edited = a ? *a : (struct action){0};
    edited.body = body;
    bool fits = !a || action_fits(&edited);
    action_free(a);
    return fits;
}

static enum action_asked ask(struct journal *j, const struct admin_statement *st, uint64_t id)
{
    switch (st->kind) {
    case ADMIN_RETRY_ACTION:
        return journal_action_retry(j, id, NULL);
    case ADMIN_EDIT_ACTION:
        return journal_action_edit(j, id, (struct slice){buf_at(&st->body), buf_len(&st->body)}, NULL);
    default:
        return journal_action_dismiss(j, id, st->why, NULL);
    }
}

static void person_says(const struct admin *admin, struct session *s, const struct admin_statement *st, uint64_t id)
{
    struct journal *j = admin->world->journal;
    char quoted[256];
    if (st->kind == ADMIN_EDIT_ACTION && !edit_fits(j, id, (struct slice){buf_at(&st->body), buf_len(&st->body)})) {
        session_answer_error(s, 1153, "08S01", "body and arguments of an action are %d bytes together at most", ACTION_BYTES_MAX);
        return;
    }
    enum action_asked asked = ask(j, st, id);
    if (asked == ACTION_ASKED_UNKNOWN) {
        unknown(s, st->argument);
    } else if (asked != ACTION_ASKED_OK) {
        session_answer_error(s, 1105, "HY000", "action '%s': %s", st->argument, objection(asked));
    } else {
        log_warn("person_action", "id=%" PRIu64 " what=\"%s\" who=%.40s@%.50s why=%s", id, admin_statement_words(st->kind),
                 s->user->name, s->peer, log_quote(quoted, sizeof quoted, st->why, strlen(st->why)));
        session_answer_ok(s);
    }
}

void actions_run(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    char *end;
    uint64_t id = strtoull(st->argument, &end, 10);
    if (st->kind == ADMIN_SHOW_ACTIONS || st->kind == ADMIN_SHOW_ALL_ACTIONS || st->kind == ADMIN_SHOW_DEAD_ACTIONS)
        show_list(admin, s, st);
    else if (*end || !id)
        session_answer_error(s, 1210, "HY000", "'%s' is no action's id: see SHOW ACTIONS", st->argument);
    else if (st->kind == ADMIN_SHOW_ACTION)
        show_one(admin, s, st, id);
    else
        person_says(admin, s, st, id);
}
