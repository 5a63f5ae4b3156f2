/* Actions with all that is known of each, a row an action: to be kept, or done by hand elsewhere. Leaves lists to look at to
 * actions.c. */
#include <stdio.h>

#include "proxy/admin/impl.h"
#include "proxy/journal/actions.h"
#include "proxy/session/table.h"

/* --- arguments as JSON -------------------------------------------------------------------------------------------------- */

/* Bytes from 0x20 to 0x7e as they are, others escaped as what Latin-1 calls them: that holds any bytes, and says which. */
static void json_bytes(struct buf *out, struct slice s)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '"' || s.at[i] == '\\')
            buf_printf(out, "\\%c", s.at[i]);
        else if (s.at[i] >= 0x20 && s.at[i] < 0x7f)
            buf_u8(out, s.at[i]);
        else
            buf_printf(out, "\\u%04x", s.at[i]);
    }
    buf_u8(out, '"');
}

static void json_value(struct buf *out, const struct action_value *v)
{
    switch (v->kind) {
    case ACTION_NULL:
        buf_text(out, "null");
        break;
    case ACTION_BYTES:
        json_bytes(out, v->bytes);
        break;
    case ACTION_INT:
    case ACTION_UINT:
    case ACTION_DOUBLE:
        actions_put_number(out, v);
        break;
    }
}

static void add_arguments(struct session_table *t, const struct action *a)
{
    struct buf text = {0};
    buf_u8(&text, '[');
    for (uint32_t i = 0; i < a->n_args; i++) {
        buf_text(&text, i ? "," : "");
        json_value(&text, &a->args[i]);
    }
    buf_u8(&text, ']');
    session_cell_bytes(t, (struct slice){buf_at(&text), buf_len(&text)});
    buf_fini(&text);
}

/* --- rows --------------------------------------------------------------------------------------------------------------- */

static void add_text(struct session_table *t, const char *text)
{
    session_cell(t, *text ? text : NULL);
}

/* What 0 stands for is nothing. */
static void add_number(struct session_table *t, int64_t n)
{
    if (n)
        session_cell_number(t, n);
    else
        session_cell(t, NULL);
}

static void add_who(struct session_table *t, const struct action *a)
{
    session_cell_number(t, (int64_t)a->id);
    session_cell(t, a->owner);
    session_cell_number(t, a->seq);
    add_text(t, a->step);
    session_cell(t, a->on == ACTION_ON_COMMIT ? "commit" : "rollback");
    session_cell(t, a->resource);
    session_cell(t, a->user);
    add_text(t, a->schema);
    add_text(t, a->charset);
}

static void add_options(struct session_table *t, const struct action *a)
{
    add_text(t, a->key);
    session_cell(t, a->parallel ? "parallel" : "strict");
    session_cell_number(t, a->idempotent);
    session_cell_number(t, a->retriable);
    add_number(t, a->max_attempts);
    add_number(t, a->max_age_ms);
    session_cell_number(t, a->timeout_ms);
}

static void add_state(struct session_table *t, const struct action *a)
{
    session_cell(t, action_state_name(a->state));
    session_cell_number(t, a->attempts);
    add_number(t, (int64_t)a->behind);
    session_cell_number(t, a->registered_ms);
    add_number(t, a->due_ms);
    add_number(t, a->next_ms);
    add_text(t, a->error);
}

static void add_action(void *arg, const struct action *a)
{
    struct session_table *t = arg;
    add_who(t, a);
    add_options(t, a);
    add_state(t, a);
    session_cell_bytes(t, a->body);
    add_arguments(t, a);
}

void export_actions(const struct admin *admin, struct session *s, const struct admin_statement *st)
{
    static const char *const columns[] = {
        "id", "gtrid", "seq", "step", "on", "resource", "user", "schema", "charset",                    /* add_who */
        "key", "order", "idempotent", "retriable", "max_attempts", "max_age_ms", "timeout_ms",          /* add_options */
        "state", "attempts", "behind", "registered_ms", "due_ms", "next_ms", "error",                   /* add_state */
        "body", "arguments", NULL};
    struct session_table t;
    (void)st;
    session_table_init(&t, columns);
    t.numbers = 1u << 0 | 1u << 2 | 0x1fu << 11 | 0x1fu << 17; /* id, seq; idempotent to timeout_ms; attempts to next_ms */
    journal_each_action(admin->world->journal, add_action, &t);
    session_table_answer(s, &t);
}
