/* The two libraries differ in how TLS is asked for: by mode (MySQL) or by parts (MariaDB). configure looks which. */
#include "tools/admin_client.h"

#include <mysql.h>
#include <stdlib.h>
#include <string.h>

struct admin_client {
    MYSQL mysql;
};

static void set_tls(MYSQL *mysql, const struct admin_client_options *o)
{
    mysql_options(mysql, MYSQL_OPT_SSL_CA, o->tls_ca);
    mysql_options(mysql, MYSQL_OPT_SSL_CERT, o->tls_cert);
    mysql_options(mysql, MYSQL_OPT_SSL_KEY, o->tls_key);
#if HAVE_DECL_MYSQL_OPT_SSL_MODE
    unsigned mode = o->socket ? SSL_MODE_PREFERRED : o->tls_skip_verify ? SSL_MODE_REQUIRED : SSL_MODE_VERIFY_IDENTITY;
    mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
#else
    char enforce = !o->socket, verify = !o->socket && !o->tls_skip_verify;
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &enforce);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
#endif
}

static void set_options(MYSQL *mysql, const struct admin_client_options *o)
{
    unsigned protocol = o->socket ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &o->timeout_s);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &o->timeout_s);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &o->timeout_s);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    set_tls(mysql, o);
}

/* Numbers from 2000 on are the library's own: the server was not reached, or went away. */
static enum admin_client_status failure(struct admin_client *client, struct buf *error)
{
    unsigned number = mysql_errno(&client->mysql);
    buf_printf(error, "%s (%u, %s)", mysql_error(&client->mysql), number, mysql_sqlstate(&client->mysql));
    return number >= 2000 && number < 3000 ? ADMIN_CLIENT_LOST : ADMIN_CLIENT_REFUSED;
}

/* Connector/C goes on without TLS where the listener offers none and nobody is to be verified. */
static bool is_private(struct admin_client *client, const struct admin_client_options *o)
{
    return o->socket || mysql_get_ssl_cipher(&client->mysql);
}

struct admin_client *admin_client_open(const struct admin_client_options *o, enum admin_client_status *status,
                                       struct buf *error)
{
    struct admin_client *client = calloc(1, sizeof *client);
    CHECK(client && mysql_init(&client->mysql));
    set_options(&client->mysql, o);
    bool connected = mysql_real_connect(&client->mysql, o->host, o->user, o->password, NULL, o->port, o->socket, 0);
    *status = ADMIN_CLIENT_OK;
    if (!connected) {
        failure(client, error);
        *status = ADMIN_CLIENT_LOST;
    } else if (!is_private(client, o)) {
        buf_text(error, "the listener offers no TLS");
        *status = ADMIN_CLIENT_LOST;
    }
    return client;
}

static bool is_number(const MYSQL_FIELD *field)
{
    return IS_NUM(field->type) && field->type != MYSQL_TYPE_NULL;
}

static void take_rows(MYSQL_RES *result, struct rows *rows)
{
    unsigned n = mysql_num_fields(result);
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    for (unsigned i = 0; i < n; i++)
        rows_add_column(rows, fields[i].name, is_number(&fields[i]));
    for (MYSQL_ROW row = mysql_fetch_row(result); row; row = mysql_fetch_row(result)) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        for (unsigned i = 0; i < n; i++)
            rows_add_cell(rows, row[i], lengths[i]);
    }
}

enum admin_client_status admin_client_run(struct admin_client *client, const char *sql, struct rows *rows,
                                          struct buf *error)
{
    MYSQL *mysql = &client->mysql;
    if (mysql_real_query(mysql, sql, strlen(sql)) != 0)
        return failure(client, error);
    MYSQL_RES *result = mysql_store_result(mysql);
    if (!result)
        return mysql_errno(mysql) ? failure(client, error) : ADMIN_CLIENT_OK;
    take_rows(result, rows);
    mysql_free_result(result);
    return ADMIN_CLIENT_OK;
}

unsigned admin_client_error(struct admin_client *client)
{
    return mysql_errno(&client->mysql);
}

void admin_client_close(struct admin_client *client)
{
    mysql_close(&client->mysql);
    free(client);
}

const char *admin_client_library(void)
{
    return mysql_get_client_info();
}
