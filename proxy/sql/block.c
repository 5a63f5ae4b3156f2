/* Bodies of statements. Most of their words are keywords only where a statement begins: IF( and REPEAT( are functions elsewhere,
 * a column may be called end. So what is followed is where statements begin. Leaves where a body begins to survey.c. */
#include "proxy/sql/block.h"

#include "base/check.h"

enum {
    BLOCK,
    IF,
    CASE,
    LOOP,
    WHILE,
    REPEAT,
    FOR,
    EXPRESSION, /* CASE ... END within one */
    N_KINDS
};
#define HEAD 0x40 /* of WHILE, FOR: the DO is still to come */

static const char *const words[N_KINDS] = {"BEGIN", "IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR", ""};

void sql_block_begin(struct sql_block *b)
{
    *b = (struct sql_block){.state = SQL_BLOCK_OPEN, .start = true};
}

/* N_KINDS: none of them. */
static unsigned kind_of(const struct sql_token *t)
{
    unsigned kind = 0;
    while (kind < N_KINDS && !sql_is_word(t, words[kind]))
        kind++;
    return kind;
}

static unsigned top(const struct sql_block *b)
{
    return b->depth ? b->open[b->depth - 1] & ~HEAD : N_KINDS;
}

static void push(struct sql_block *b, unsigned kind)
{
    if (b->depth == SQL_BLOCK_DEPTH) {
        b->state = SQL_BLOCK_WHOLE;
        return;
    }
    b->open[b->depth++] = (unsigned char)(kind == WHILE || kind == FOR ? kind | HEAD : kind);
}

static void pop(struct sql_block *b)
{
    CHECK(b->depth);
    if (!--b->depth)
        b->state = SQL_BLOCK_CLOSED;
}

/* END of a block, END IF and its like, END of an expression; else a name. */
static void see_end(struct sql_block *b, const struct sql_token *ahead)
{
    unsigned kind = kind_of(ahead), it = top(b);
    if (!b->depth) {
        b->state = SQL_BLOCK_WHOLE;
    } else if (it == EXPRESSION) {
        pop(b);
    } else if (it != BLOCK && kind == it && (b->start || it == REPEAT)) {
        b->skip = true;
        pop(b);
    } else if (it == BLOCK && b->start && kind == N_KINDS) {
        pop(b);
    } else if (b->start) {
        b->state = SQL_BLOCK_WHOLE;
    }
    b->start = false;
}

/* DECLARE ... HANDLER FOR condition, condition statement */
static bool see_handler(struct sql_block *b, const struct sql_token *t, const struct sql_token *ahead)
{
    if (b->handler == SQL_HANDLER_DECLARE && sql_is_word(t, "HANDLER"))
        b->handler = SQL_HANDLER_FOR;
    else if (b->handler == SQL_HANDLER_FOR)
        b->handler = sql_is_word(t, "FOR") ? SQL_HANDLER_CONDITION : SQL_HANDLER_NONE;
    else if (b->handler != SQL_HANDLER_CONDITION)
        return false;
    else if (!sql_is_punct(t, ',') && !sql_is_punct(ahead, ',') && !sql_is_word(t, "NOT") && !sql_is_word(t, "SQLSTATE") &&
             !sql_is_word(t, "VALUE")) {
        b->handler = SQL_HANDLER_NONE;
        b->start = true;
    }
    return true;
}

/* A word behind which statements begin, within what is open. */
static bool opens_statements(struct sql_block *b, const struct sql_token *t)
{
    if (top(b) == EXPRESSION)
        return false;
    if (sql_is_word(t, "THEN") || sql_is_word(t, "ELSE"))
        return true;
    if (!sql_is_word(t, "DO") || !b->depth || !(b->open[b->depth - 1] & HEAD))
        return false;
    b->open[b->depth - 1] &= (unsigned char)~HEAD;
    return true;
}

static void see_first(struct sql_block *b, const struct sql_token *t)
{
    unsigned kind = kind_of(t);
    b->start = false;
    if (kind >= EXPRESSION && !b->depth) { /* no body */
        b->state = SQL_BLOCK_WHOLE;
    } else if (kind < EXPRESSION) {
        push(b, kind);
        b->start = kind == BLOCK || kind == LOOP || kind == REPEAT;
    } else if (sql_is_word(t, "DECLARE")) {
        b->handler = SQL_HANDLER_DECLARE;
    } else if (sql_is_punct(t, '<')) { /* sql_mode=ORACLE has such labels */
        b->state = SQL_BLOCK_WHOLE;
    }
}

static void see_word(struct sql_block *b, const struct sql_token *t, const struct sql_token *ahead)
{
    if (sql_is_word(t, "END"))
        see_end(b, ahead);
    else if (opens_statements(b, t))
        b->start = true;
    else if (b->start)
        see_first(b, t);
    else if (sql_is_word(t, "CASE"))
        push(b, EXPRESSION);
}

/* Behind the last END: its label, and nothing else. */
static void see_rest(struct sql_block *b, const struct sql_token *t)
{
    if (b->named || !sql_is_name(t))
        b->state = SQL_BLOCK_WHOLE;
    b->named = true;
}

static bool is_not_atomic(const struct sql_token *before, const struct sql_token *t)
{
    return (sql_is_word(t, "NOT") && sql_is_word(before, "BEGIN")) || (sql_is_word(t, "ATOMIC") && sql_is_word(before, "NOT"));
}

void sql_block_token(struct sql_block *b, const struct sql_token *before, const struct sql_token *t,
                     const struct sql_token *ahead)
{
    if (b->state == SQL_BLOCK_WHOLE)
        return;
    bool part = sql_is_punct(before, '.') || sql_is_punct(ahead, '.');
    if (b->skip) {
        b->skip = false;
    } else if (b->state == SQL_BLOCK_CLOSED) {
        see_rest(b, t);
    } else if (sql_is_punct(t, ';')) {
        b->start = true;
        b->handler = SQL_HANDLER_NONE;
    } else if (b->label || (b->start && is_not_atomic(before, t))) {
        b->label = false; /* its : */
    } else if (b->start && sql_is_name(t) && sql_is_punct(ahead, ':')) {
        b->label = true;
    } else if (see_handler(b, t, ahead)) {
        return;
    } else if (t->kind == SQL_WORD && !part) {
        see_word(b, t, ahead);
    } else if (b->start) {
        see_first(b, t);
    }
}
