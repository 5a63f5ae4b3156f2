/* The ways to have the transaction. By hand it is as few trips as the protocol allows: START travels with the
 * statement, END with PREPARE (statements of one packet), both servers are asked at once. Leaves timing to
 * xabench.c. */
#include "bench/ways.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/decision_log.h"
#include "bench/die.h"

enum { ROWS = 100000 };

static const char *const table[2] = {"t1.bench", "t2.bench"};

/* --- connections --- */

static void set_tls(MYSQL *db, const char *ca)
{
#if HAVE_DECL_MYSQL_OPT_SSL_MODE
    unsigned mode = ca ? SSL_MODE_VERIFY_CA : SSL_MODE_DISABLED;
    mysql_options(db, MYSQL_OPT_SSL_MODE, &mode);
    bool ask_key = true; /* a password in clear text's stead */
    mysql_options(db, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &ask_key);
#endif
    if (ca)
        mysql_options(db, MYSQL_OPT_SSL_CA, ca);
}

static MYSQL *connect_to(const struct bench_options *o, unsigned port, bool tls)
{
    MYSQL *db = mysql_init(NULL);
    if (!db)
        die("connecting", "no memory");
    set_tls(db, tls ? o->ca : NULL);
    if (!mysql_real_connect(db, "127.0.0.1", o->user, o->password, NULL, port, NULL, CLIENT_MULTI_STATEMENTS))
        die("connecting", mysql_error(db));
    if (!mysql_get_ssl_cipher(db) == tls)
        die("connecting", tls ? "TLS was wanted, and there is none" : "clear text was wanted, and there is TLS");
    return db;
}

static redisContext *connect_to_redis(unsigned port)
{
    redisContext *redis = redisConnect("127.0.0.1", (int)port);
    if (!redis || redis->err)
        die("connecting to Redis", redis ? redis->errstr : "no memory");
    return redis;
}

void client_open(struct client *c, unsigned index, const struct bench_options *o)
{
    *c = (struct client){.options = o, .index = index, .seed = index + 1};
    if (o->use[WAY_PROXY_TLS] || o->use[WAY_PROXY_TLS_REDIS])
        c->proxy_tls = connect_to(o, o->port_tls, true);
    if (o->use[WAY_PROXY_PLAIN] || o->use[WAY_PROXY_PLAIN_REDIS])
        c->proxy_plain = connect_to(o, o->port_plain, false);
    for (int i = 0; i < 2 && (o->use[WAY_HAND] || o->use[WAY_HAND_REDIS] || o->use[WAY_LOCAL]); i++)
        c->server[i] = connect_to(o, o->port[i], o->server_tls);
    if (o->use[WAY_HAND_REDIS])
        c->redis = connect_to_redis(o->port_redis);
}

/* --- statements --- */

static void send_text(MYSQL *db, const char *sql)
{
    if (mysql_send_query(db, sql, strlen(sql)))
        die(sql, mysql_error(db));
}

static void read_all(MYSQL *db)
{
    if (mysql_read_query_result(db))
        die("answer", mysql_error(db));
    int more;
    do {
        MYSQL_RES *result = mysql_store_result(db);
        if (result)
            mysql_free_result(result);
        more = mysql_next_result(db);
        if (more > 0)
            die("answer", mysql_error(db));
    } while (!more);
}

static void run(MYSQL *db, const char *sql)
{
    send_text(db, sql);
    read_all(db);
}

/* Sends to both before it reads from either. */
static void run_on_both(struct client *c, const char *const sql[2])
{
    for (int i = 0; i < 2; i++)
        send_text(c->server[i], sql[i]);
    for (int i = 0; i < 2; i++)
        read_all(c->server[i]);
}

/* Each client has rows of its own: what is measured is the protocol, not waiting for locks. */
static unsigned row_of(struct client *c)
{
    unsigned share = ROWS / c->options->connections;
    return c->index * share + (unsigned)rand_r(&c->seed) % share;
}

static void run_update(struct client *c, MYSQL *db, const char *before, int server)
{
    char sql[256];
    snprintf(sql, sizeof sql, "%sUPDATE %s SET v = v + 1 WHERE id = %u", before, table[server], row_of(c));
    run(db, sql);
}

static void hincrby(struct client *c)
{
    redisReply *reply = redisCommand(c->redis, "HINCRBY bench:%u n 1", c->index);
    if (!reply || reply->type != REDIS_REPLY_INTEGER)
        die("HINCRBY", reply ? reply->str : c->redis->errstr);
    freeReplyObject(reply);
}

/* --- the transaction --- */

static void through_proxy(struct client *c, MYSQL *db, bool redis)
{
    run(db, "BEGIN");
    for (int i = 0; i < 2; i++)
        run_update(c, db, "", i);
    if (redis) {
        char call[80];
        snprintf(call, sizeof call, "CALL cache.HINCRBY('bench:%u', 'n', 1)", c->index);
        run(db, call);
    }
    run(db, "COMMIT");
}

static void by_hand(struct client *c, bool redis)
{
    char gtrid[48], sql[2][160];
    const char *const both[2] = {sql[0], sql[1]};
    snprintf(gtrid, sizeof gtrid, "hand:%u:%" PRIu64, c->index, ++c->counter);
    for (int i = 0; i < 2; i++) {
        snprintf(sql[i], sizeof sql[i], "XA START '%s','%d',1;", gtrid, i);
        run_update(c, c->server[i], sql[i], i);
    }
    if (redis)
        hincrby(c);
    for (int i = 0; i < 2; i++)
        snprintf(sql[i], sizeof sql[i], "XA END '%s','%d',1;XA PREPARE '%s','%d',1", gtrid, i, gtrid, i);
    run_on_both(c, both);
    decision_log_write(gtrid);
    for (int i = 0; i < 2; i++)
        snprintf(sql[i], sizeof sql[i], "XA COMMIT '%s','%d',1", gtrid, i);
    run_on_both(c, both);
}

static void local(struct client *c)
{
    for (int i = 0; i < 2; i++)
        run_update(c, c->server[i], "BEGIN;", i);
    run_on_both(c, (const char *const[2]){"COMMIT", "COMMIT"});
}

void client_transaction(struct client *c, enum way way)
{
    switch (way) {
    case WAY_PROXY_TLS:
    case WAY_PROXY_TLS_REDIS:
        through_proxy(c, c->proxy_tls, way == WAY_PROXY_TLS_REDIS);
        break;
    case WAY_PROXY_PLAIN:
    case WAY_PROXY_PLAIN_REDIS:
        through_proxy(c, c->proxy_plain, way == WAY_PROXY_PLAIN_REDIS);
        break;
    case WAY_HAND:
    case WAY_HAND_REDIS:
        by_hand(c, way == WAY_HAND_REDIS);
        break;
    case WAY_LOCAL:
        local(c);
        break;
    case N_WAYS:
        die("our bug", "no such way");
    }
}
