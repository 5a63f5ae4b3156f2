/* The order story with the C API, of MySQL's library or MariaDB's: order text|prepared NUMBER:END... */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MYSQL *db;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static long first_of_text(void)
{
    long value = 0;
    do {
        MYSQL_RES *rows = mysql_store_result(db);
        MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
        if (row && row[0])
            value = atol(row[0]);
        mysql_free_result(rows);
    } while (mysql_next_result(db) == 0);
    return value;
}

static long run_text(const char *sql)
{
    if (mysql_query(db, sql))
        die(sql, mysql_error(db));
    return first_of_text();
}

static long first_of_prepared(MYSQL_STMT *statement)
{
    long long value = 0;
    MYSQL_BIND out = {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &value};
    if (!mysql_stmt_field_count(statement))
        return 0;
    if (mysql_stmt_bind_result(statement, &out) || mysql_stmt_store_result(statement) || mysql_stmt_fetch(statement))
        die("fetch", mysql_stmt_error(statement));
    return (long)value;
}

/* One parameter, of any kind that is wanted here. */
static MYSQL_BIND text_of(const char *text)
{
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING, .buffer = (void *)text, .buffer_length = strlen(text)};
}

static long run_prepared(const char *sql, MYSQL_BIND *binds)
{
    MYSQL_STMT *statement = mysql_stmt_init(db);
    if (mysql_stmt_prepare(statement, sql, strlen(sql)) || (binds && mysql_stmt_bind_param(statement, binds)) ||
        mysql_stmt_execute(statement))
        die(sql, mysql_stmt_error(statement));
    long value = first_of_prepared(statement);
    mysql_stmt_close(statement);
    return value;
}

static void order_as_text(const char *n)
{
    char sql[256];
    snprintf(sql, sizeof sql, "INSERT INTO orders.orders (id, user, sku, pieces) VALUES (%s, 'user%s', 'sku%s', 1)", n, n, n);
    run_text(sql);
    snprintf(sql, sizeof sql, "UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = 'sku%s'", n);
    run_text(sql);
    snprintf(sql, sizeof sql, "CALL cache.HINCRBY('stock:sku%s', 'pieces', -1)", n);
    long mirrored = run_text(sql);
    snprintf(sql, sizeof sql, "UPDATE account.account SET balance = balance - 10 WHERE user = 'user%s'", n);
    run_text(sql);
    snprintf(sql, sizeof sql, "CALL cache.HINCRBY('balance:user%s', 'balance', -10)", n);
    run_text(sql);
    snprintf(sql, sizeof sql, "CALL cache.HINCRBY('orders:user%s', 'count', 1)", n);
    run_text(sql);
    snprintf(sql, sizeof sql, "SELECT pieces FROM stock.stock WHERE sku = 'sku%s'", n);
    printf("%s %ld %ld\n", n, run_text(sql), mirrored);
}

static long mirror(const char *kind, const char *key, const char *field, long long by)
{
    char name[64];
    snprintf(name, sizeof name, "%s:%s", kind, key);
    MYSQL_BIND binds[] = {text_of(name), text_of(field), {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &by}};
    return run_prepared("CALL cache.HINCRBY(?, ?, ?)", binds);
}

static void order_prepared(const char *n)
{
    char user[40], sku[40];
    long long id = atoll(n);
    snprintf(user, sizeof user, "user%s", n);
    snprintf(sku, sizeof sku, "sku%s", n);
    MYSQL_BIND row[] = {{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &id}, text_of(user), text_of(sku)};
    MYSQL_BIND by_sku = text_of(sku), by_user = text_of(user);
    run_prepared("INSERT INTO orders.orders (id, user, sku, pieces) VALUES (?, ?, ?, 1)", row);
    run_prepared("UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = ?", &by_sku);
    long mirrored = mirror("stock", sku, "pieces", -1);
    run_prepared("UPDATE account.account SET balance = balance - 10 WHERE user = ?", &by_user);
    mirror("balance", user, "balance", -10);
    mirror("orders", user, "count", 1);
    printf("%s %ld %ld\n", n, run_prepared("SELECT pieces FROM stock.stock WHERE sku = ?", &by_sku), mirrored);
}

static void be_sure_of_the_server(void)
{
    mysql_options(db, MYSQL_OPT_SSL_CA, getenv("DB_CA"));
#ifdef MARIADB_BASE_VERSION
    my_bool verify = 1;
    mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
#else
    unsigned mode = SSL_MODE_VERIFY_IDENTITY;
    mysql_options(db, MYSQL_OPT_SSL_MODE, &mode);
#endif
}

int main(int argc, char **argv)
{
    db = mysql_init(NULL);
    be_sure_of_the_server();
    if (!mysql_real_connect(db, getenv("DB_HOST"), getenv("DB_USER"), getenv("DB_PASSWORD"), NULL,
                            (unsigned)atoi(getenv("DB_PORT")), NULL, CLIENT_MULTI_RESULTS))
        die("connect", mysql_error(db));
    if (mysql_autocommit(db, 0))
        die("autocommit", mysql_error(db));
    for (int i = 2; i < argc; i++) {
        char *end = strchr(argv[i], ':');
        *end++ = '\0';
        strcmp(argv[1], "text") ? order_prepared(argv[i]) : order_as_text(argv[i]);
        if (strcmp(end, "commit") ? mysql_rollback(db) : mysql_commit(db))
            die(end, mysql_error(db));
    }
    mysql_close(db);
    return 0;
}
