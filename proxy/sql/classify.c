/* Cuts statements off and gives each its kind: first words (keywords.h), what the walk saw (survey.h), details. Leaves
 * calls to call.c. */
#include "proxy/sql/classify.h"

#include <string.h>
#include <strings.h>

#include "proxy/sql/bytes.h"
#include "proxy/sql/call.h"
#include "proxy/sql/details.h"
#include "proxy/sql/survey.h"

const char *sql_kind_text(enum sql_kind kind)
{
    static const char *const texts[] = {
#define X(name, text) text,
        SQL_KINDS(X)
#undef X
    };
    CHECK((size_t)kind < sizeof texts / sizeof *texts);
    return texts[kind];
}

/* How a statement begins. */
struct head {
    const struct sql_keyword *row;
    unsigned n_words;
    struct sql_tokens behind; /* what follows the row's words */
};

/* Words that begin a statement, also in parentheses: ((SELECT 1)). A word before a dot is a name. */
static unsigned first_words(struct sql_tokens *in, struct slice *words)
{
    unsigned n = 0;
    while (sql_accept_punct(in, '('))
        ;
    while (n < SQL_MAX_KEYWORDS && in->ahead.kind == SQL_WORD)
        words[n++] = sql_take(in).text;
    return n;
}

static struct head find_head(const struct sql_tokens *in)
{
    static const struct sql_keyword block = {"", SQL_COMPOUND, 0};
    struct slice words[SQL_MAX_KEYWORDS];
    struct sql_tokens look = *in;
    unsigned n = first_words(&look, words);
    struct head head = {.behind = *in};
    head.row = sql_keyword_find(words, n, &head.n_words);
    if (n == 1 && sql_is_punct(&look.ahead, ':')) /* a block's label */
        head.row = &block;
    while (sql_accept_punct(&head.behind, '('))
        ;
    for (unsigned i = 0; i < head.n_words; i++)
        sql_take(&head.behind);
    bool alone = head.behind.ahead.kind == SQL_END || sql_is_punct(&head.behind.ahead, ';');
    if (head.row->shape & SQL_SHAPE_ALONE && !alone)
        head.row = &block;
    return head;
}

/* SET STATEMENT x=1 FOR inner: moves behind FOR. */
static bool skip_to_inner(struct sql_tokens *in)
{
    while (in->ahead.kind != SQL_END && !sql_is_punct(&in->ahead, ';') && !sql_is_word(&in->ahead, "FOR"))
        sql_take(in);
    return sql_accept_word(in, "FOR");
}

/* The kinds that keep their meaning behind SET STATEMENT; the others need the server, with its variables set. */
static enum sql_kind inner_kind(enum sql_kind kind)
{
    switch (kind) {
    case SQL_READ:
    case SQL_SET:
    case SQL_SET_TRANSACTION:
    case SQL_USE:
        return SQL_PLAIN;
    default:
        return kind;
    }
}

static void copy_hint(const struct sql_lexer *l, struct sql_statement *out)
{
    static const char mark[] = "backend=";
    struct cursor c = cursor_make(l->hint.at ? (const void *)l->hint.at : "", l->hint.len);
    struct slice key = cursor_bytes(&c, sizeof "xaproxy:" - 1 + sizeof mark - 1);
    if (c.bad || memcmp(key.at + key.len - (sizeof mark - 1), mark, sizeof mark - 1) != 0)
        return;
    for (size_t n = 0; byte_is_name(cursor_peek(&c)) || cursor_peek(&c) == '-'; n++) {
        if (n + 1 == sizeof out->hint_backend)
            break;
        out->hint_backend[n] = (char)cursor_u8(&c);
    }
}

/* What the first words say holds only as far as what follows bears it out. */
static enum sql_kind settle_kind(const struct head *head, unsigned seen, struct sql_statement *out)
{
    enum sql_kind kind = head->row->kind;
    out->reads = (kind == SQL_READ && !(seen & SQL_SEEN_WRITE)) || !strcmp(head->row->words, "DO");
    if (kind == SQL_READ && (seen || out->schemas_overflow || out->resource_inside))
        kind = SQL_PLAIN;
    if (head->row->shape & SQL_SHAPE_FLUSH && seen & SQL_SEEN_KEPT_LOCK)
        kind = SQL_LOCK_TABLES;
    if (!sql_details(&head->behind, head->row, out))
        kind = SQL_PLAIN;
    if (out->compound && kind != SQL_IMPLICIT_COMMIT)
        kind = SQL_COMPOUND;
    return kind;
}

/* What is nobody's but the proxy's, whatever else is named beside it. */
static bool names_ours(const struct sql_statement *out)
{
    bool may = out->kind == SQL_READ || out->kind == SQL_PLAIN || out->kind == SQL_COMPOUND;
    for (unsigned i = 0; may && i < out->n_schemas; i++)
        if (!strcasecmp(out->schema[i], "xa"))
            return true;
    return false;
}

static void classify(struct sql_tokens *in, const struct sql_context *ctx, struct sql_statement *out)
{
    struct head head = find_head(in);
    bool has_inner = head.row->shape & SQL_SHAPE_INNER && skip_to_inner(in);
    if (has_inner)
        head = find_head(in);
    struct sql_tokens begin = *in;
    out->compound = head.row->kind == SQL_COMPOUND;
    unsigned seen = sql_survey(in, ctx, head.row, head.n_words, out);
    out->kind = settle_kind(&head, seen, out);
    if (!has_inner && !out->compound)
        sql_call_recognize(&begin, ctx, out);
    if (has_inner)
        out->kind = inner_kind(out->kind);
    if (names_ours(out))
        out->kind = SQL_XA_TABLE;
}

bool sql_next_statement(struct slice *rest, const struct sql_context *ctx, struct sql_statement *out)
{
    *out = (struct sql_statement){.text = {rest->at, rest->len}};
    struct sql_tokens in;
    sql_tokens_init(&in, *rest, &ctx->dialect);
    if (in.ahead.kind == SQL_END) {
        *rest = in.ahead.text;
        return false;
    }
    if (sql_is_punct(&in.ahead, ';') && !in.lexer.executable)
        out->kind = SQL_EMPTY;
    else
        classify(&in, ctx, out);
    copy_hint(&in.lexer, out);
    out->text.len = (size_t)(in.ahead.text.at - rest->at);
    struct cursor behind = cursor_make(rest->at, rest->len);
    cursor_skip(&behind, out->text.len + in.ahead.text.len);
    *rest = cursor_rest(&behind);
    return true;
}
