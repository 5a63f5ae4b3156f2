/* xa.token(): the word by which a Redis client finds a transaction and may take part in it. Its secret is of that one
 * transaction, dies with it, and is never logged. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "proxy/session/guests.h"
#include "proxy/session/table.h"
#include "proxy/session/tx.h"
#include "proxy/session/xa_call.h"

/* node.epoch.worker.session.secret: where to look, then the proof. Only the secret needs to be hard to guess. */
static void write_token(const struct session *s, char out[TOKEN_TEXT])
{
    const struct session_tx *tx = s->tx;
    int n = snprintf(out, TOKEN_TEXT, "%s.%" PRIu64 ".%u.%" PRIu64 ".", journal_node(s->world->journal),
                     journal_epoch(s->world->journal), s->worker->index, s->id);
    for (int i = 0; i < TOKEN_SECRET; i++)
        n += snprintf(out + n, TOKEN_TEXT - (size_t)n, "%02x", tx->secret[i]);
}

static bool take_number(struct cursor *c, uint64_t *out)
{
    char text[24];
    size_t n = 0;
    while (cursor_left(c) && cursor_peek(c) != '.' && n < sizeof text - 1)
        text[n++] = (char)cursor_u8(c);
    text[n] = '\0';
    char *end;
    *out = strtoull(text, &end, 10);
    return cursor_u8(c) == '.' && n && !*end && text[0] >= '0' && text[0] <= '9';
}

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_secret(struct cursor *c, uint8_t out[TOKEN_SECRET])
{
    bool good = cursor_left(c) == 2 * TOKEN_SECRET;
    for (int i = 0; good && i < TOKEN_SECRET; i++) {
        int high = hex_value(cursor_u8(c)), low = hex_value(cursor_u8(c));
        good = high >= 0 && low >= 0;
        out[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    return good;
}

enum token_read token_read(struct world *world, struct slice text, struct guest_address *out)
{
    struct cursor c = cursor_make(text.at, text.len);
    char node[32];
    size_t n = 0;
    uint64_t epoch, worker;
    while (cursor_left(&c) && cursor_peek(&c) != '.' && n < sizeof node - 1)
        node[n++] = (char)cursor_u8(&c);
    node[n] = '\0';
    if (cursor_u8(&c) != '.' || !take_number(&c, &epoch) || !take_number(&c, &worker) || !take_number(&c, &out->session) ||
        !take_secret(&c, out->secret) || c.bad)
        return TOKEN_BAD;
    if (strcmp(node, journal_node(world->journal)) || epoch != journal_epoch(world->journal) || worker >= world->n_workers)
        return TOKEN_ELSEWHERE;
    out->worker = (unsigned)worker;
    return TOKEN_READ;
}

/* In a time that tells nothing of where they differ. */
bool token_opens(const struct session *s, const struct guest_address *to)
{
    uint8_t differs = 0;
    if (!s->tx || !s->tx->has_secret)
        return false;
    for (int i = 0; i < TOKEN_SECRET; i++)
        differs |= s->tx->secret[i] ^ to->secret[i];
    return !differs;
}

/* --- SELECT xa.token() ------------------------------------------------------------------------------------------------------ */

static bool can_be_joined(struct session *s)
{
    if (s->xa)
        session_answer_error(s, 1399, "XAE07", "XAER_RMFAIL: nobody can join an XA transaction of the client's own: it is one server's");
    else if (!s->tx && s->autocommit)
        session_answer_error(s, 1235, "42000", "xa.token() is of an open transaction: START TRANSACTION first");
    else if (s->tx && s->tx->local)
        session_answer_error(s, 1235, "42000", "nobody can join this transaction: it is local to one server");
    else
        return true;
    return false;
}

void token_tell(struct session *s, const struct call_args *args)
{
    static const char *const columns[] = {"token", NULL};
    struct session_table t;
    char text[TOKEN_TEXT];
    (void)args;
    if (!can_be_joined(s))
        return;
    struct session_tx *tx = tx_open(s);
    if (!tx->has_secret)
        random_bytes(tx->secret, sizeof tx->secret);
    tx->has_secret = true;
    write_token(s, text);
    session_table_init(&t, columns);
    session_cell(&t, text);
    session_table_answer(s, &t);
}
