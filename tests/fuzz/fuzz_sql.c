/* Any text, cut into statements: the pieces make the text again, tokens advance, what is reported fits where it is kept, and
 * what was read once is read the same again. */
#include <string.h>

#include "proxy/sql/classify.h"
#include "proxy/sql/route.h"
#include "proxy/sql/select.h"

#define TEXT(s) {(const uint8_t *)(s), sizeof(s) - 1}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_resource(void *arg, const char *name)
{
    (void)arg;
    return name[0] == 'c';
}

static int backend_of(void *arg, const char *name)
{
    (void)arg;
    return name[0] ? name[0] % 4 - 1 : -1;
}

static const char *name_of(void *arg, int backend)
{
    (void)arg;
    CHECK(backend >= 0 && backend < 3);
    return "server";
}

static void check_tokens(const struct sql_statement *s, const struct sql_context *ctx)
{
    struct sql_lexer l;
    struct buf value = {0};
    const uint8_t *at = s->text.at;
    sql_lexer_init(&l, s->text, &ctx->dialect);
    for (struct sql_token t = sql_next(&l); t.kind != SQL_END; t = sql_next(&l)) {
        CHECK(t.text.len && t.text.at >= at && t.text.at + t.text.len <= s->text.at + s->text.len);
        at = t.text.at + t.text.len;
        buf_clear(&value);
        sql_token_value(&l, &t, &value);
        CHECK(buf_len(&value) <= t.text.len + 1); /* a lone \% at the end is the longest growth */
    }
    buf_fini(&value);
}

static void check_set(const struct sql_statement *s, const struct sql_context *ctx)
{
    struct sql_set_reader r;
    struct sql_set set;
    const uint8_t *at = s->text.at;
    for (sql_set_begin(&r, s, ctx); sql_set_next(&r, &set);) {
        CHECK(memchr(set.name, 0, sizeof set.name));
        CHECK(set.value.at >= at && set.value.at + set.value.len <= s->text.at + s->text.len);
        CHECK(set.value.len);
        at = set.value.at + set.value.len;
        sql_bool_value(set.value);
    }
}

static void check_call(const struct sql_statement *s, const struct sql_context *ctx)
{
    static struct sql_call call;
    char why[64];
    bool good = sql_call_read(s, ctx, &call, why, sizeof why);
    CHECK(good == !why[0]);
    size_t offset = 0;
    for (unsigned i = 0; i < call.n; i++) {
        CHECK(call.argument[i].offset == offset);
        offset += call.argument[i].len;
    }
    CHECK(offset == buf_len(&call.bytes));
    sql_call_fini(&call);
}

static void count_row(void *arg, const struct slice *row)
{
    uint64_t *n = arg;
    CHECK(row[0].len < 64);
    ++*n;
}

/* Whatever is asked of a table of the proxy's own, it is answered or refused in words. */
static void check_select(const struct sql_statement *s, const struct sql_context *ctx)
{
    static const char *const columns[] = {"id", "state", "on", NULL};
    static const struct sql_select_table table = {"actions", columns, 1};
    static const struct slice cells[] = {TEXT("9"),  TEXT("DEAD"), TEXT("commit"), TEXT("10"), {NULL, 0}, TEXT("commit"),
                                         TEXT("11"), TEXT("WAIT"), TEXT("rollback")};
    static struct sql_select q;
    struct sql_select_error error;
    uint64_t n = 0;
    if (sql_select_read(s->text, &ctx->dialect, &table, &q, &error)) {
        sql_select_run(&q, cells, 3, count_row, &n);
        CHECK(n <= 3 && n <= q.limit && !error.code);
    } else
        CHECK(error.code && memchr(error.text, 0, sizeof error.text) && strlen(error.sqlstate) == 5);
    sql_select_fini(&q);
}

static void check_statement(const struct sql_statement *s, const struct sql_context *ctx)
{
    static const struct sql_routes routes = {backend_of, backend_of, name_of, NULL, false};
    char why[64] = "";
    CHECK(*sql_kind_text(s->kind));
    CHECK(s->n_schemas <= SQL_MAX_SCHEMAS);
    for (unsigned i = 0; i < s->n_schemas; i++)
        CHECK(memchr(s->schema[i], 0, sizeof s->schema[i]));
    CHECK(memchr(s->name, 0, sizeof s->name) && memchr(s->hint_backend, 0, sizeof s->hint_backend));
    CHECK((sql_route(s, "default", &routes, why, sizeof why) <= SQL_ROUTE_SPANS) == (why[0] != 0));
    check_tokens(s, ctx);
    if (s->kind == SQL_SET || s->kind == SQL_SET_TRANSACTION)
        check_set(s, ctx);
    if (s->kind == SQL_REDIS_CALL || s->kind == SQL_XA_CALL)
        check_call(s, ctx);
    if (s->kind == SQL_XA_TABLE)
        check_select(s, ctx);
}

/* Alone, a statement is what it was among others; but for a last --, which a ; behind it keeps from being a comment. */
static void check_again(const struct sql_statement *s, const struct sql_context *ctx)
{
    struct slice rest = s->text;
    struct sql_statement again;
    if (s->kind == SQL_EMPTY || (rest.len >= 2 && !memcmp(rest.at + rest.len - 2, "--", 2)))
        return;
    CHECK(sql_next_statement(&rest, ctx, &again));
    CHECK(again.kind == s->kind && again.n_schemas == s->n_schemas && again.text.len == s->text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sql_context ctx = {.is_resource = is_resource};
    if (!size)
        return 0;
    ctx.dialect = (struct sql_dialect){data[0] & 1, data[0] & 2, (data[0] >> 2) % (SQL_CHARSET_GB18030 + 1), 0, false};
    struct slice rest = {data + 1, size - 1};
    const uint8_t *at = rest.at;
    struct sql_statement s;
    while (sql_next_statement(&rest, &ctx, &s)) {
        CHECK(s.text.at == at);
        at += s.text.len;
        CHECK(at == data + size || *at == ';');
        at += at < data + size;
        CHECK(rest.at == at && rest.len == (size_t)(data + size - at));
        check_statement(&s, &ctx);
        check_again(&s, &ctx);
    }
    CHECK(!rest.len);
    return 0;
}
