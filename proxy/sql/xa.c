/* The reader of XA statements. An xid is 'gtrid'[, 'bqual'[, formatID]], strings in any of the ways to write bytes. */
#include "proxy/sql/xa.h"

#include <string.h>

#include "proxy/sql/bytes.h"

static bool is_bytes(const struct sql_token *t)
{
    bool national = t->text.len && byte_lower(*t->text.at) == 'n';
    return !t->unfinished && (t->kind == SQL_HEX || t->kind == SQL_BITS || (t->kind == SQL_STRING && !national));
}

static bool take_part(struct sql_tokens *in, uint8_t part[SQL_XID_PART_MAX], uint8_t *len)
{
    struct sql_token t = in->ahead;
    struct buf value = {0};
    if (!is_bytes(&t) || t.text.len > 8 * SQL_XID_PART_MAX + 4)
        return false;
    sql_token_value(&in->lexer, &t, &value);
    bool fits = buf_len(&value) <= SQL_XID_PART_MAX;
    if (fits && buf_len(&value))
        memcpy(part, buf_at(&value), buf_len(&value));
    *len = fits ? (uint8_t)buf_len(&value) : 0;
    buf_fini(&value);
    sql_take(in);
    return fits;
}

static bool number_of_digits(struct slice text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!byte_is_digit(text.at[i]) || *out > (UINT64_MAX - 9) / 10)
            return false;
        *out = *out * 10 + (uint64_t)(text.at[i] - '0');
    }
    return text.len;
}

static bool number_of_bytes(struct slice bytes, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < bytes.len; i++)
        *out = *out << 8 | bytes.at[i];
    return bytes.len && bytes.len <= sizeof *out;
}

static bool take_format(struct sql_tokens *in, uint64_t *out)
{
    struct sql_token t = sql_take(in);
    if (t.kind == SQL_NUMBER)
        return number_of_digits(t.text, out);
    if (t.kind != SQL_HEX || t.unfinished)
        return false;
    struct buf value = {0};
    sql_token_value(&in->lexer, &t, &value);
    bool good = number_of_bytes((struct slice){buf_at(&value), buf_len(&value)}, out);
    buf_fini(&value);
    return good;
}

static bool take_xid(struct sql_tokens *in, struct sql_xid *out)
{
    *out = (struct sql_xid){.format_id = 1};
    if (!take_part(in, out->gtrid, &out->gtrid_len))
        return false;
    if (!sql_accept_punct(in, ','))
        return true;
    if (!take_part(in, out->bqual, &out->bqual_len))
        return false;
    return !sql_accept_punct(in, ',') || take_format(in, &out->format_id);
}

static bool accept_words(struct sql_tokens *in, const char *first, const char *second)
{
    struct sql_tokens look = *in;
    if (!sql_accept_word(&look, first) || !sql_accept_word(&look, second))
        return false;
    *in = look;
    return true;
}

static const char *option_of_start(struct sql_tokens *in)
{
    return sql_accept_word(in, "JOIN") ? " JOIN" : sql_accept_word(in, "RESUME") ? " RESUME" : "";
}

static const char *option_of_end(struct sql_tokens *in)
{
    if (!sql_accept_word(in, "SUSPEND"))
        return "";
    return accept_words(in, "FOR", "MIGRATE") ? " SUSPEND FOR MIGRATE" : " SUSPEND";
}

/* CONVERT XID is MySQL's, FORMAT MariaDB's: the server knows which it understands. */
static const char *option_of_recover(struct sql_tokens *in)
{
    if (accept_words(in, "CONVERT", "XID"))
        return " CONVERT XID";
    if (!sql_accept_word(in, "FORMAT"))
        return "";
    if (!sql_accept_punct(in, '=') || in->ahead.kind != SQL_STRING)
        return NULL;
    struct slice format = sql_take(in).text;
    return slice_is_word(format, "'sql'") ? " FORMAT='SQL'" : slice_is_word(format, "'raw'") ? " FORMAT='RAW'" : NULL;
}

static bool take_verb(struct sql_tokens *in, enum sql_xa_verb *out)
{
    static const struct {
        const char *word;
        enum sql_xa_verb verb;
    } verbs[] = {{"START", SQL_XA_START},     {"BEGIN", SQL_XA_START},   {"END", SQL_XA_END},        {"PREPARE", SQL_XA_PREPARE},
                 {"COMMIT", SQL_XA_COMMIT}, {"ROLLBACK", SQL_XA_ROLLBACK}, {"RECOVER", SQL_XA_RECOVER}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (sql_accept_word(in, verbs[i].word)) {
            *out = verbs[i].verb;
            return true;
        }
    return false;
}

bool sql_xa_read(const struct sql_statement *s, const struct sql_context *ctx, struct sql_xa *out)
{
    struct sql_tokens in;
    *out = (struct sql_xa){.option = ""};
    sql_tokens_init(&in, s->text, &ctx->dialect);
    if (!sql_accept_word(&in, "XA") || !take_verb(&in, &out->verb))
        return false;
    if (out->verb != SQL_XA_RECOVER && !take_xid(&in, &out->xid))
        return false;
    if (out->verb == SQL_XA_START)
        out->option = option_of_start(&in);
    else if (out->verb == SQL_XA_END)
        out->option = option_of_end(&in);
    else if (out->verb == SQL_XA_RECOVER)
        out->option = option_of_recover(&in);
    else if (out->verb == SQL_XA_COMMIT)
        out->one_phase = accept_words(&in, "ONE", "PHASE");
    sql_accept_punct(&in, ';');
    return out->option && in.ahead.kind == SQL_END;
}
