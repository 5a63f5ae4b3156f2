/* The table of statements and its one reader. */
#include "proxy/admin/statement.h"

#include <stdio.h>
#include <string.h>

#include "proxy/sql/lexer.h"

enum follows { NOTHING, NAME, VERDICT, REASON, BODY, ANYTHING };

#define USAGE_NOTHING(words, argument) words
#define USAGE_ANYTHING(words, argument) words " ..."
#define USAGE_NAME(words, argument) words " '" argument "'"
#define USAGE_REASON(words, argument) words " '" argument "' BECAUSE 'why'"
#define USAGE_BODY(words, argument) words " '" argument "' BODY 'text'"
#define USAGE_VERDICT(words, argument) words " '" argument "' [FORCE] [BECAUSE 'why']"

static const struct row {
    const char *words, *usage, *help;
    enum follows follows;
} rows[] = {
#define X(name, words, follows, argument, help) {words, USAGE_##follows(words, argument), help, follows},
    ADMIN_STATEMENTS(X)
#undef X
};

static const struct row *row_of(enum admin_statement_kind kind)
{
    CHECK((unsigned)kind < ADMIN_STATEMENT_COUNT);
    return &rows[kind];
}

const char *admin_statement_words(enum admin_statement_kind kind) { return row_of(kind)->words; }
const char *admin_statement_usage(enum admin_statement_kind kind) { return row_of(kind)->usage; }
const char *admin_statement_help(enum admin_statement_kind kind) { return row_of(kind)->help; }

static bool accept_words(struct sql_tokens *in, const char *words)
{
    struct sql_tokens look = *in;
    while (*words) {
        char word[16];
        size_t len = strcspn(words, " ");
        CHECK(len < sizeof word);
        memcpy(word, words, len);
        word[len] = '\0';
        if (!sql_accept_word(&look, word))
            return false;
        words += len + (words[len] == ' ');
    }
    *in = look;
    return true;
}

/* A string, a number, or a name with or without quotes. */
static bool take_text(struct sql_tokens *in, char *out, size_t out_size)
{
    struct sql_token t = in->ahead;
    if ((t.kind != SQL_STRING && t.kind != SQL_NUMBER && !sql_is_name(&t)) || t.unfinished)
        return false;
    struct buf value = {0};
    sql_token_value(&in->lexer, &t, &value);
    size_t len = strlen(buf_cstr(&value));
    bool fits = len && len == buf_len(&value) && len < out_size;
    if (fits)
        memcpy(out, buf_at(&value), len + 1);
    buf_fini(&value);
    if (fits)
        sql_take(in);
    return fits;
}

static bool at_end(const struct sql_tokens *in)
{
    struct sql_tokens look = *in;
    sql_accept_punct(&look, ';');
    return look.ahead.kind == SQL_END && !look.lexer.unfinished_comment;
}

/* FORCE and BECAUSE, each once, in any order. */
static bool take_verdict(struct sql_tokens *in, struct admin_statement *out)
{
    while (!at_end(in)) {
        if (!out->force && sql_accept_word(in, "FORCE"))
            out->force = true;
        else if (out->why[0] || !sql_accept_word(in, "BECAUSE") || !take_text(in, out->why, sizeof out->why))
            return false;
    }
    return true;
}

static bool take_body(struct sql_tokens *in, struct buf *out)
{
    struct sql_token t;
    if (!sql_accept_word(in, "BODY") || in->ahead.kind != SQL_STRING || in->ahead.unfinished)
        return false;
    t = in->ahead;
    sql_token_value(&in->lexer, &t, out);
    sql_take(in);
    return buf_len(out);
}

static bool read_rest(struct sql_tokens *in, const struct row *row, struct admin_statement *out)
{
    if (row->follows == ANYTHING)
        return true;
    if (row->follows != NOTHING && !take_text(in, out->argument, sizeof out->argument))
        return false;
    if (row->follows == VERDICT && !take_verdict(in, out))
        return false;
    if (row->follows == REASON && (!sql_accept_word(in, "BECAUSE") || !take_text(in, out->why, sizeof out->why)))
        return false;
    if (row->follows == BODY && !take_body(in, &out->body))
        return false;
    return at_end(in);
}

static void explain(const struct row *row, char *error, size_t error_size)
{
    const struct admin_statement *limits = NULL;
    if (row->follows == NAME || row->follows == BODY)
        snprintf(error, error_size, "expected %s (at most %zu bytes)", row->usage, sizeof limits->argument - 1);
    else if (row->follows == VERDICT || row->follows == REASON)
        snprintf(error, error_size, "expected %s (at most %zu and %zu bytes)", row->usage, sizeof limits->argument - 1,
                 sizeof limits->why - 1);
    else
        snprintf(error, error_size, "expected %s and nothing behind it", row->usage);
}

bool admin_statement_parse(struct slice text, struct admin_statement *out, char *error, size_t error_size)
{
    struct sql_tokens in;
    *out = (struct admin_statement){.kind = ADMIN_HELP};
    sql_tokens_init(&in, text, &(struct sql_dialect){0});
    for (unsigned i = 0; i < ADMIN_STATEMENT_COUNT; i++) {
        if (!accept_words(&in, rows[i].words))
            continue;
        out->kind = (enum admin_statement_kind)i;
        if (read_rest(&in, &rows[i], out))
            return true;
        explain(&rows[i], error, error_size);
        return false;
    }
    snprintf(error, error_size, "no statement of the admin listener; SHOW HELP lists them");
    return false;
}
