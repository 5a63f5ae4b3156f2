/* Asks a running proxy again and again until each server and Redis was looked at after this began, and with --repair until
 * nothing is left that settles itself. What each finding means is said by the proxy (SHOW RECONCILIATION). */
#include "tools/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ASK_AGAIN_MS 100

enum column { VERDICT, WHAT, WHERE, ID, AGE_MS, N_COLUMNS_READ };

static struct slice cell(const struct rows *rows, size_t row, enum column column)
{
    return rows->cell[row * rows->n_columns + column];
}

static bool is(const struct rows *rows, size_t row, const char *verdict)
{
    return slice_is(cell(rows, row, VERDICT), verdict);
}

static int64_t age_ms(const struct rows *rows, size_t row)
{
    char *text = slice_dup(cell(rows, row, AGE_MS));
    int64_t ms = strtoll(text, NULL, 10);
    free(text);
    return ms;
}

static size_t count(const struct rows *rows, const char *verdict)
{
    size_t n = 0;
    for (size_t i = 0; i < rows_count(rows); i++)
        n += is(rows, i, verdict);
    return n;
}

/* A look that began before us says nothing. */
static size_t not_looked_since(const struct rows *rows, int64_t elapsed_ms)
{
    size_t n = count(rows, "unseen");
    for (size_t i = 0; i < rows_count(rows); i++)
        n += is(rows, i, "looked") && age_ms(rows, i) > elapsed_ms;
    return n;
}

static enum admin_client_status ask(struct admin_client *client, struct rows *rows, struct buf *error)
{
    rows_fini(rows);
    *rows = (struct rows){0};
    enum admin_client_status status = admin_client_run(client, "SHOW RECONCILIATION", rows, error);
    if (status == ADMIN_CLIENT_OK && rows->n_columns < N_COLUMNS_READ) {
        buf_text(error, "the answer is not that of this version's xaproxy");
        return ADMIN_CLIENT_REFUSED;
    }
    return status;
}

/* What is in order is no finding. */
static void print(const struct xactl_options *o, const struct rows *rows)
{
    struct rows findings = {0};
    struct buf text = {0};
    for (size_t i = 0; i < rows->n_columns; i++) {
        char *name = slice_dup(rows->column[i].name);
        rows_add_column(&findings, name, rows->column[i].number);
        free(name);
    }
    for (size_t row = 0; row < rows_count(rows); row++)
        for (size_t i = 0; i < rows->n_columns && !is(rows, row, "looked"); i++) {
            struct slice s = rows->cell[row * rows->n_columns + i];
            rows_add_cell(&findings, s.at, s.len);
        }
    rows_print(&findings, o->format, &text);
    if (o->format == ROWS_TABLE && !rows_count(&findings))
        buf_text(&text, "log, servers and Redis agree\n");
    fwrite(buf_at(&text), 1, buf_len(&text), stdout);
    buf_fini(&text);
    rows_fini(&findings);
}

static enum reconcile_exit judge(const struct rows *rows, bool all_seen, bool settled_some)
{
    if (!all_seen)
        return RECONCILE_UNSEEN;
    if (count(rows, "person") || count(rows, "settling"))
        return RECONCILE_PERSON;
    return settled_some ? RECONCILE_REPAIRED : RECONCILE_CLEAN;
}

enum admin_client_status reconcile(const struct xactl_options *o, struct admin_client *client, enum reconcile_exit *code,
                                   struct buf *error)
{
    struct rows rows = {0};
    int64_t began_ms = clock_mono_ms(), deadline_ms = began_ms + (int64_t)o->connect.timeout_s * 1000;
    bool all_seen = false, settled_some = false;
    enum admin_client_status status = ask(client, &rows, error); /* what there is before anybody hurries */
    settled_some = count(&rows, "settling");
    if (status == ADMIN_CLIENT_OK && o->repair)
        status = admin_client_run(client, "SWEEP", &(struct rows){0}, error);
    while (status == ADMIN_CLIENT_OK) {
        int64_t asked_ms = clock_mono_ms();
        status = ask(client, &rows, error);
        all_seen = status == ADMIN_CLIENT_OK && !not_looked_since(&rows, asked_ms - began_ms);
        settled_some = settled_some || count(&rows, "settling");
        if ((all_seen && !(o->repair && count(&rows, "settling"))) || clock_mono_ms() >= deadline_ms)
            break;
        clock_sleep_ms(ASK_AGAIN_MS);
    }
    if (status == ADMIN_CLIENT_OK) {
        print(o, &rows);
        *code = judge(&rows, all_seen, settled_some && o->repair);
    }
    rows_fini(&rows);
    return status;
}
