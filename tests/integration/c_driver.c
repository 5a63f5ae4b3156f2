/* Prepared statements as a C program uses them: one scenario a run, chosen by name. Says nothing and ends with 0 when all
 * is as it should be; test_statements.py starts it, since PyMySQL has no server-side prepared statements. */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef __typeof__(*((MYSQL_BIND *)0)->is_null) flag; /* my_bool or bool: the two libraries differ */

static MYSQL *db;

#define EXPECT(cond, ...) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond); \
            fprintf(stderr, __VA_ARGS__); \
            fprintf(stderr, " [%s]\n", mysql_error(db)); \
            exit(1); \
        } \
    } while (0)

static void query(const char *sql)
{
    EXPECT(!mysql_query(db, sql), "%s", sql);
    do {
        MYSQL_RES *result = mysql_store_result(db);
        if (result)
            mysql_free_result(result);
    } while (!mysql_next_result(db));
}

static MYSQL_STMT *prepare(const char *sql)
{
    MYSQL_STMT *statement = mysql_stmt_init(db);
    EXPECT(statement, "no memory");
    EXPECT(!mysql_stmt_prepare(statement, sql, strlen(sql)), "%s: %s", sql, mysql_stmt_error(statement));
    return statement;
}

static void execute(MYSQL_STMT *statement, MYSQL_BIND *parameters)
{
    if (parameters)
        EXPECT(!mysql_stmt_bind_param(statement, parameters), "%s", mysql_stmt_error(statement));
    EXPECT(!mysql_stmt_execute(statement), "%s", mysql_stmt_error(statement));
}

static MYSQL_BIND of_int(long long *value)
{
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = value};
}

static MYSQL_BIND of_bytes(enum enum_field_types type, void *bytes, unsigned long *length)
{
    return (MYSQL_BIND){.buffer_type = type, .buffer = bytes, .buffer_length = *length, .length = length};
}

/* Fetches the one row there is, of one column, as bytes. */
static void expect_bytes(MYSQL_STMT *statement, const void *expected, unsigned long expected_length)
{
    static char got[4096];
    unsigned long length = sizeof got;
    flag null = 0;
    MYSQL_BIND column = of_bytes(MYSQL_TYPE_BLOB, got, &length);
    column.is_null = &null;
    EXPECT(!mysql_stmt_bind_result(statement, &column), "%s", mysql_stmt_error(statement));
    EXPECT(mysql_stmt_fetch(statement) == 0, "%s", mysql_stmt_error(statement));
    EXPECT(!null && length == expected_length && !memcmp(got, expected, length), "%lu bytes: %.*s", length, (int)length, got);
    EXPECT(mysql_stmt_fetch(statement) == MYSQL_NO_DATA, "a second row");
    mysql_stmt_free_result(statement);
}

static long long one_int(MYSQL_STMT *statement)
{
    long long got = 0;
    MYSQL_BIND column = of_int(&got);
    EXPECT(!mysql_stmt_bind_result(statement, &column), "%s", mysql_stmt_error(statement));
    EXPECT(mysql_stmt_fetch(statement) == 0, "%s", mysql_stmt_error(statement));
    mysql_stmt_free_result(statement);
    return got;
}

static void types(void)
{
    query("DROP TABLE IF EXISTS t1.types");
    query("CREATE TABLE t1.types (id BIGINT PRIMARY KEY, d DOUBLE, s VARCHAR(40), b BLOB, t DATETIME, n INT NULL)");
    MYSQL_STMT *insert = prepare("INSERT INTO t1.types VALUES (?, ?, ?, ?, ?, ?)");
    EXPECT(mysql_stmt_param_count(insert) == 6, "%lu", mysql_stmt_param_count(insert));
    long long id = -7;
    double d = 2.5;
    char text[] = "it's \"quoted\"", blob[300];
    unsigned long text_length = strlen(text), blob_length = sizeof blob;
    for (unsigned i = 0; i < sizeof blob; i++)
        blob[i] = (char)i;
    MYSQL_TIME when = {.year = 2024, .month = 2, .day = 29, .hour = 23, .minute = 59, .second = 58,
                       .time_type = MYSQL_TIMESTAMP_DATETIME};
    MYSQL_BIND in[6] = {of_int(&id), {.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = &d},
                        of_bytes(MYSQL_TYPE_STRING, text, &text_length),
                        of_bytes(MYSQL_TYPE_BLOB, blob, &blob_length), {.buffer_type = MYSQL_TYPE_DATETIME, .buffer = &when},
                        {.buffer_type = MYSQL_TYPE_NULL}};
    execute(insert, in);
    EXPECT(mysql_stmt_affected_rows(insert) == 1, "%llu", (unsigned long long)mysql_stmt_affected_rows(insert));
    MYSQL_STMT *select = prepare("SELECT id, d, s, b, t, n FROM t1.types WHERE id = ?");
    execute(select, in);
    long long got_id = 0, got_n = 1;
    double got_d = 0;
    char got_text[64], got_blob[512];
    unsigned long got_text_length = sizeof got_text, got_blob_length = sizeof got_blob;
    MYSQL_TIME got_when = {0};
    flag n_is_null = 0;
    MYSQL_BIND out[6] = {of_int(&got_id), {.buffer_type = MYSQL_TYPE_DOUBLE, .buffer = &got_d},
                         of_bytes(MYSQL_TYPE_STRING, got_text, &got_text_length),
                         of_bytes(MYSQL_TYPE_BLOB, got_blob, &got_blob_length),
                         {.buffer_type = MYSQL_TYPE_DATETIME, .buffer = &got_when}, of_int(&got_n)};
    out[5].is_null = &n_is_null;
    EXPECT(!mysql_stmt_bind_result(select, out) && !mysql_stmt_fetch(select), "%s", mysql_stmt_error(select));
    EXPECT(got_id == id && got_d == d && n_is_null, "id %lld d %f", got_id, got_d);
    EXPECT(got_text_length == text_length && !memcmp(got_text, text, text_length), "%.*s", (int)got_text_length, got_text);
    EXPECT(got_blob_length == blob_length && !memcmp(got_blob, blob, blob_length), "%lu bytes", got_blob_length);
    EXPECT(got_when.year == 2024 && got_when.day == 29 && got_when.second == 58, "%u-%u", got_when.year, got_when.month);
    mysql_stmt_close(select);
    mysql_stmt_close(insert);
}

/* Two statements on two servers, prepared before the transaction and used within it, many times. */
static void two_servers(void)
{
    query("CREATE TABLE IF NOT EXISTS t1.n (i BIGINT)");
    query("CREATE TABLE IF NOT EXISTS t2.n (i BIGINT)");
    query("TRUNCATE t1.n");
    query("TRUNCATE t2.n");
    long long i = 0;
    MYSQL_BIND in = of_int(&i);
    MYSQL_STMT *left = prepare("INSERT INTO t1.n VALUES (?)"), *right = prepare("INSERT INTO t2.n VALUES (?)");
    static const char *const ends[] = {"COMMIT", "ROLLBACK", "COMMIT"};
    for (unsigned round = 0; round < 3; round++) {
        query("BEGIN");
        for (i = 0; i < 50; i++) {
            execute(left, &in);
            execute(right, &in);
        }
        query(ends[round]);
    }
    mysql_stmt_close(left);
    mysql_stmt_close(right);
    MYSQL_STMT *count = prepare("SELECT COUNT(*) FROM t1.n");
    execute(count, NULL);
    EXPECT(one_int(count) == 100, "on the first server");
    mysql_stmt_close(count);
    count = prepare("SELECT COUNT(*) FROM t2.n");
    execute(count, NULL);
    EXPECT(one_int(count) == 100, "on the second server");
    mysql_stmt_close(count);
}

static void long_data(void)
{
    static char piece[512 * 1024];
    memset(piece, 'x', sizeof piece);
    MYSQL_STMT *length = prepare("SELECT LENGTH(?)");
    unsigned long none = 0;
    MYSQL_BIND in = of_bytes(MYSQL_TYPE_LONG_BLOB, NULL, &none);
    for (int round = 0; round < 2; round++) {
        EXPECT(!mysql_stmt_bind_param(length, &in), "%s", mysql_stmt_error(length));
        for (int i = 0; i < 6; i++)
            EXPECT(!mysql_stmt_send_long_data(length, 0, piece, sizeof piece), "%s", mysql_stmt_error(length));
        EXPECT(!mysql_stmt_execute(length), "%s", mysql_stmt_error(length));
        EXPECT(one_int(length) == 6LL * (long long)sizeof piece, "long data arrived short");
        EXPECT(!mysql_stmt_reset(length), "%s", mysql_stmt_error(length));
    }
    mysql_stmt_close(length);
}

static void errors(void)
{
    MYSQL_STMT *bad = mysql_stmt_init(db);
    EXPECT(mysql_stmt_prepare(bad, "SELEC 1", 7) && mysql_stmt_errno(bad) == 1064, "%u", mysql_stmt_errno(bad));
    mysql_stmt_close(bad);
    query("DROP TABLE IF EXISTS t1.once");
    query("CREATE TABLE t1.once (i BIGINT PRIMARY KEY)");
    long long i = 1;
    MYSQL_BIND in = of_int(&i);
    MYSQL_STMT *insert = prepare("INSERT INTO t1.once VALUES (?)");
    execute(insert, &in);
    EXPECT(mysql_stmt_execute(insert) && mysql_stmt_errno(insert) == 1062, "%u", mysql_stmt_errno(insert));
    i = 2;
    execute(insert, &in);
    EXPECT(mysql_stmt_affected_rows(insert) == 1, "usable after an error");
    mysql_stmt_close(insert);
}

/* More statements alive than one would keep by hand, closed in another order; each still answers as itself. */
static void many(void)
{
    MYSQL_STMT *statement[64];
    for (int i = 0; i < 64; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT %d + ?", i * 100);
        statement[i] = prepare(sql);
    }
    for (int i = 63; i >= 0; i -= 2)
        mysql_stmt_close(statement[i]);
    for (long long i = 0; i < 64; i += 2) {
        MYSQL_BIND in = of_int(&i);
        execute(statement[i], &in);
        long long got = one_int(statement[i]);
        EXPECT(got == i * 100 + i, "%lld answered %lld", i, got);
        mysql_stmt_close(statement[i]);
    }
}

static void procedure(void)
{
    query("DROP PROCEDURE IF EXISTS t1.two_results");
    query("CREATE PROCEDURE t1.two_results(IN a INT) BEGIN SELECT a; SELECT a + 1; END");
    long long a = 41;
    MYSQL_BIND in = of_int(&a);
    MYSQL_STMT *call = prepare("CALL t1.two_results(?)");
    for (int round = 0; round < 2; round++) {
        execute(call, &in);
        EXPECT(one_int(call) == 41, "first result");
        EXPECT(mysql_stmt_next_result(call) == 0, "%s", mysql_stmt_error(call));
        EXPECT(one_int(call) == 42, "second result");
        while (mysql_stmt_next_result(call) == 0)
            ;
        EXPECT(!mysql_stmt_errno(call), "%s", mysql_stmt_error(call));
    }
    mysql_stmt_close(call);
}

static void redis_binary(void)
{
    char key[] = "bin\0key", value[256];
    unsigned long key_length = 7, value_length = sizeof value;
    for (unsigned i = 0; i < sizeof value; i++)
        value[i] = (char)(255 - i);
    MYSQL_BIND in[2] = {of_bytes(MYSQL_TYPE_BLOB, key, &key_length), of_bytes(MYSQL_TYPE_BLOB, value, &value_length)};
    MYSQL_STMT *set = prepare("CALL cache.SET(?, ?)"), *get = prepare("CALL cache.GET(?)");
    EXPECT(mysql_stmt_param_count(set) == 2, "%lu", mysql_stmt_param_count(set));
    execute(set, in);
    mysql_stmt_free_result(set);
    execute(get, in);
    expect_bytes(get, value, value_length);
    mysql_stmt_close(set);
    MYSQL_STMT *increment = prepare("CALL cache.HINCRBY('counter', ?, ?)");
    char field[] = "n";
    unsigned long field_length = 1;
    long long by = 5;
    MYSQL_BIND args[2] = {of_bytes(MYSQL_TYPE_STRING, field, &field_length), of_int(&by)};
    query("CALL cache.DEL('counter')");
    for (long long round = 1; round <= 3; round++) {
        execute(increment, args);
        long long got = one_int(increment);
        EXPECT(got == round * 5, "round %lld answered %lld", round, got);
    }
    mysql_stmt_close(increment);
    mysql_stmt_close(get);
}

static void columns(void)
{
    MYSQL_STMT *select = prepare("SELECT 1 AS first, 'two' AS second");
    MYSQL_RES *meta = mysql_stmt_result_metadata(select);
    EXPECT(meta && mysql_num_fields(meta) == 2, "two columns are told at PREPARE");
    EXPECT(!strcmp(mysql_fetch_fields(meta)[1].name, "second"), "%s", mysql_fetch_fields(meta)[1].name);
    mysql_free_result(meta);
    mysql_stmt_close(select);
}

/* Rows in pieces of three, two cursors at once, one left in the middle. */
static void cursor(void)
{
    query("DROP TABLE IF EXISTS t1.walk");
    query("CREATE TABLE t1.walk (i BIGINT PRIMARY KEY)");
    query("INSERT INTO t1.walk VALUES (1), (2), (3), (4), (5), (6), (7)");
    unsigned long type = CURSOR_TYPE_READ_ONLY, rows = 3;
    MYSQL_STMT *statement[2];
    long long got[2];
    MYSQL_BIND column[2] = {of_int(&got[0]), of_int(&got[1])};
    for (int i = 0; i < 2; i++) {
        statement[i] = prepare(i ? "SELECT i FROM t1.walk ORDER BY i DESC" : "SELECT i FROM t1.walk ORDER BY i");
        EXPECT(!mysql_stmt_attr_set(statement[i], STMT_ATTR_CURSOR_TYPE, &type), "cursor");
        EXPECT(!mysql_stmt_attr_set(statement[i], STMT_ATTR_PREFETCH_ROWS, &rows), "prefetch");
        execute(statement[i], NULL);
        EXPECT(!mysql_stmt_bind_result(statement[i], &column[i]), "%s", mysql_stmt_error(statement[i]));
    }
    for (long long i = 1; i <= 7; i++) {
        EXPECT(!mysql_stmt_fetch(statement[0]) && got[0] == i, "%lld: %s", got[0], mysql_stmt_error(statement[0]));
        if (i < 4)
            EXPECT(!mysql_stmt_fetch(statement[1]) && got[1] == 8 - i, "%lld: %s", got[1], mysql_stmt_error(statement[1]));
    }
    EXPECT(mysql_stmt_fetch(statement[0]) == MYSQL_NO_DATA, "%s", mysql_stmt_error(statement[0]));
    EXPECT(!mysql_stmt_free_result(statement[1]), "%s", mysql_stmt_error(statement[1]));
    execute(statement[1], NULL);
    EXPECT(!mysql_stmt_fetch(statement[1]) && got[1] == 7, "%lld", got[1]);
    mysql_stmt_close(statement[0]);
    mysql_stmt_close(statement[1]);
    query("SELECT 1");
}

/* Three rows a command on two servers, in transactions that end one way and the other. t1.bulk and t2.bulk are there. */
static void bulk(void)
{
#ifdef MARIADB_PACKAGE_VERSION
    static const char *const ends[] = {"ROLLBACK", "COMMIT"};
    long long ids[] = {0, 1, 2};
    char text[3][3] = {"r0", "r1", "r2"}, *texts[] = {text[0], text[1], text[2]};
    unsigned long lengths[] = {2, 2, 2};
    unsigned rows = 3;
    MYSQL_BIND in[2] = {{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = ids},
                        {.buffer_type = MYSQL_TYPE_STRING, .buffer = texts, .length = lengths}};
    MYSQL_STMT *inserts[] = {prepare("INSERT INTO t1.bulk VALUES (?, ?)"), prepare("INSERT INTO t2.bulk VALUES (?, ?)")};
    for (int end = 0; end < 2; end++) {
        query("BEGIN");
        for (int i = 0; i < 2; i++) {
            EXPECT(!mysql_stmt_attr_set(inserts[i], STMT_ATTR_ARRAY_SIZE, &rows), "array size");
            execute(inserts[i], in);
            EXPECT(mysql_stmt_affected_rows(inserts[i]) == rows, "%s", mysql_stmt_error(inserts[i]));
        }
        query(ends[end]);
    }
    mysql_stmt_close(inserts[0]);
    mysql_stmt_close(inserts[1]);
#else
    exit(77);
#endif
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {{"types", types},   {"two_servers", two_servers}, {"long_data", long_data},       {"errors", errors},
                 {"many", many},     {"procedure", procedure},     {"redis_binary", redis_binary}, {"columns", columns},
                 {"cursor", cursor}, {"bulk", bulk}};

static void connect_through_tls(char **argv)
{
    db = mysql_init(NULL);
    EXPECT(db, "no memory");
    mysql_options(db, MYSQL_OPT_SSL_CA, argv[4]);
#if HAVE_DECL_MYSQL_OPT_SSL_MODE
    unsigned mode = SSL_MODE_VERIFY_CA;
    mysql_options(db, MYSQL_OPT_SSL_MODE, &mode);
#else
    flag verify = 1;
    mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
#endif
    EXPECT(mysql_real_connect(db, "127.0.0.1", argv[2], argv[3], "t1", (unsigned)atoi(argv[1]), NULL, CLIENT_MULTI_STATEMENTS),
           "login");
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: c_driver PORT USER PASSWORD CA SCENARIO\n");
        return 2;
    }
    connect_through_tls(argv);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (!strcmp(scenarios[i].name, argv[5])) {
            scenarios[i].run();
            mysql_close(db);
            return 0;
        }
    fprintf(stderr, "c_driver: no scenario %s\n", argv[5]);
    return 2;
}
