/* The condition of a SELECT, from text to nodes: AND, OR, NOT over comparisons of columns with columns and literals. */
#include <stdlib.h>
#include <string.h>

#include "proxy/sql/select_impl.h"

#define DEPTH_MAX 50 /* of parentheses and NOTs */

static int add_node(struct select_reader *r, struct sql_select_node node)
{
    if (r->q->n_nodes == SQL_SELECT_NODES)
        select_fail(r, 1235, "42000", "of xa.%s there is no WHERE of more than %d comparisons", r->q->table->name,
                    SQL_SELECT_NODES);
    if (select_failed(r))
        return 0;
    r->q->node[r->q->n_nodes] = node;
    return (int)r->q->n_nodes++;
}

static int combine(struct select_reader *r, enum sql_select_op op, int left, int right)
{
    return add_node(r, (struct sql_select_node){.op = op, .left = left, .right = right});
}

static struct sql_select_operand number(double value)
{
    return (struct sql_select_operand){.column = -1, .number = true, .value = value};
}

struct sql_select_operand select_number(struct select_reader *r, double sign)
{
    char text[64];
    struct slice s = r->in.ahead.text;
    if (r->in.ahead.kind != SQL_NUMBER || s.len >= sizeof text) {
        select_fail_here(r);
        return number(0);
    }
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    sql_take(&r->in);
    return number(sign * strtod(text, NULL));
}

static struct sql_select_operand take_text(struct select_reader *r)
{
    struct sql_token t = sql_take(&r->in);
    struct sql_select_operand o = {.column = -1, .offset = buf_len(&r->q->bytes)};
    sql_token_value(&r->in.lexer, &t, &r->q->bytes);
    o.len = buf_len(&r->q->bytes) - o.offset;
    return o;
}

static struct sql_select_operand take_operand(struct select_reader *r)
{
    if (r->in.ahead.kind == SQL_STRING || r->in.ahead.kind == SQL_HEX)
        return take_text(r);
    if (sql_accept_punct(&r->in, '-'))
        return select_number(r, -1);
    if (r->in.ahead.kind == SQL_NUMBER)
        return select_number(r, 1);
    if (sql_accept_word(&r->in, "NULL"))
        return (struct sql_select_operand){.column = -1, .null = true};
    if (sql_accept_word(&r->in, "TRUE"))
        return number(1);
    if (sql_accept_word(&r->in, "FALSE"))
        return number(0);
    return (struct sql_select_operand){.column = select_column(r)};
}

/* = <=> < <= > >= <> != ; false: none of them is ahead */
static bool accept_comparison(struct select_reader *r, struct sql_select_node *n)
{
    bool not = sql_accept_punct(&r->in, '!');
    n->less = !not && sql_accept_punct(&r->in, '<');
    n->equal = sql_accept_punct(&r->in, '=');
    n->greater = !not && sql_accept_punct(&r->in, '>');
    n->null_safe = n->less && n->equal && n->greater;
    if (n->greater && !n->less && !n->equal) /* >= */
        n->equal = sql_accept_punct(&r->in, '=');
    if (n->null_safe)
        n->less = n->greater = false;
    if (not) {
        if (!n->equal)
            select_fail_here(r);
        n->less = n->greater = true;
        n->equal = false;
    }
    return n->less || n->equal || n->greater;
}

static int compare(struct select_reader *r, struct sql_select_operand a, struct sql_select_operand b, bool less, bool equal,
                   bool greater)
{
    return add_node(r, (struct sql_select_node){.op = SQL_SELECT_COMPARE, .a = a, .b = b, .less = less, .equal = equal,
                                                .greater = greater});
}

static int read_in(struct select_reader *r, struct sql_select_operand a)
{
    select_expect_punct(r, '(');
    int any = compare(r, a, take_operand(r), false, true, false);
    while (!select_failed(r) && sql_accept_punct(&r->in, ','))
        any = combine(r, SQL_SELECT_OR, any, compare(r, a, take_operand(r), false, true, false));
    select_expect_punct(r, ')');
    return any;
}

static int read_between(struct select_reader *r, struct sql_select_operand a)
{
    int from = compare(r, a, take_operand(r), false, true, true);
    select_expect_word(r, "AND");
    return combine(r, SQL_SELECT_AND, from, compare(r, a, take_operand(r), true, true, false));
}

static int read_like(struct select_reader *r, struct sql_select_operand a)
{
    struct sql_select_operand pattern = take_operand(r);
    return add_node(r, (struct sql_select_node){.op = SQL_SELECT_LIKE, .a = a, .b = pattern});
}

static int negated(struct select_reader *r, bool not, int node)
{
    return not ? combine(r, SQL_SELECT_NOT, node, 0) : node;
}

static int read_is(struct select_reader *r, struct sql_select_operand a)
{
    bool not = sql_accept_word(&r->in, "NOT");
    select_expect_word(r, "NULL");
    return negated(r, not, add_node(r, (struct sql_select_node){.op = SQL_SELECT_IS_NULL, .a = a}));
}

/* What stands alone is true where it is not 0. */
static int read_predicate(struct select_reader *r)
{
    struct sql_select_node n = {.op = SQL_SELECT_COMPARE, .a = take_operand(r)};
    if (select_failed(r))
        return 0;
    if (accept_comparison(r, &n)) {
        n.b = take_operand(r);
        return add_node(r, n);
    }
    if (sql_accept_word(&r->in, "IS"))
        return read_is(r, n.a);
    bool not = sql_accept_word(&r->in, "NOT");
    if (sql_accept_word(&r->in, "IN"))
        return negated(r, not, read_in(r, n.a));
    if (sql_accept_word(&r->in, "BETWEEN"))
        return negated(r, not, read_between(r, n.a));
    if (sql_accept_word(&r->in, "LIKE"))
        return negated(r, not, read_like(r, n.a));
    if (not)
        select_fail_here(r);
    return compare(r, n.a, number(0), true, false, true);
}

static int read_not(struct select_reader *r)
{
    int node;
    if (++r->depth > DEPTH_MAX)
        select_fail(r, 1235, "42000", "of xa.%s there is no WHERE that deep", r->q->table->name);
    if (select_failed(r))
        node = 0;
    else if (sql_accept_word(&r->in, "NOT") || sql_accept_punct(&r->in, '!'))
        node = combine(r, SQL_SELECT_NOT, read_not(r), 0);
    else if (sql_accept_punct(&r->in, '(')) {
        node = select_where(r);
        select_expect_punct(r, ')');
    } else
        node = read_predicate(r);
    r->depth--;
    return node;
}

/* One sign, or two of them, or a word. */
static bool accept_operator(struct select_reader *r, const char *word, char sign)
{
    if (sql_accept_word(&r->in, word))
        return true;
    struct sql_tokens ahead = r->in;
    bool both = sql_accept_punct(&ahead, sign) && sql_accept_punct(&ahead, sign);
    if (both)
        r->in = ahead;
    return both;
}

static int read_and(struct select_reader *r)
{
    int node = read_not(r);
    while (!select_failed(r) && accept_operator(r, "AND", '&'))
        node = combine(r, SQL_SELECT_AND, node, read_not(r));
    return node;
}

int select_where(struct select_reader *r)
{
    int node = read_and(r);
    while (!select_failed(r) && accept_operator(r, "OR", '|'))
        node = combine(r, SQL_SELECT_OR, node, read_and(r));
    return node;
}

