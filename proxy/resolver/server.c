/* What the two client libraries have in common, and the few options in which they differ, decided by what their header
 * declares. */
#include "proxy/resolver/server_impl.h"

#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

void server_library_init(void)
{
    CHECK(mysql_library_init(0, NULL, NULL) == 0);
}

void server_thread_end(void)
{
    mysql_thread_end();
}

static unsigned whole_seconds(int ms)
{
    return ms <= 1000 ? 1 : (unsigned)(ms + 999) / 1000;
}

static void set_flag(MYSQL *m, enum mysql_option option, bool value)
{
    mysql_options(m, option, &value);
}

/* Whether one of the addresses of `name` is `ip`; with an empty `ip` the first one is put there. */
static bool resolves_to(const char *name, char ip[NI_MAXHOST])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char text[NI_MAXHOST];
    bool same = false;
    if (getaddrinfo(name, NULL, &hints, &found))
        return false;
    for (struct addrinfo *a = found; a && !same; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            continue;
        if (!*ip)
            snprintf(ip, NI_MAXHOST, "%s", text);
        same = !strcmp(text, ip);
    }
    freeaddrinfo(found);
    return same;
}

/* Both libraries compare a certificate's name with what they were told to connect to: so that is the name, where it leads to the
 * same place. */
static const char *host_to_name(const struct config_backend *c)
{
    char ip[NI_MAXHOST] = "";
    bool by_name = c->tls && c->tls_verify && strcmp(c->tls_name, c->address) != 0;
    return by_name && resolves_to(c->address, ip) && resolves_to(c->tls_name, ip) ? c->tls_name : c->address;
}

bool server_name_checked(const struct config_backend *c)
{
    return c->tls && c->tls_verify && !strcmp(host_to_name(c), c->tls_name);
}

/* --- options ------------------------------------------------------------------------------------------------------------ */

#if HAVE_DECL_MYSQL_OPT_SSL_MODE

static void set_tls(MYSQL *m, const struct config_backend *c)
{
    unsigned mode = !c->tls ? SSL_MODE_DISABLED
                    : !c->tls_verify ? SSL_MODE_REQUIRED
                    : server_name_checked(c) ? SSL_MODE_VERIFY_IDENTITY : SSL_MODE_VERIFY_CA;
    mysql_options(m, MYSQL_OPT_SSL_MODE, &mode);
    if (c->tls && c->tls_ca)
        mysql_options(m, MYSQL_OPT_SSL_CA, c->tls_ca);
    else if (c->tls && c->tls_verify)
        mysql_options(m, MYSQL_OPT_SSL_CAPATH, "/etc/ssl/certs"); /* it does not look there by itself */
    if (!c->tls)
        set_flag(m, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, true);
}

#else

static void set_tls(MYSQL *m, const struct config_backend *c)
{
    set_flag(m, MYSQL_OPT_SSL_ENFORCE, c->tls);
#if HAVE_DECL_MYSQL_OPT_SSL_VERIFY_SERVER_CERT
    set_flag(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, server_name_checked(c));
#endif
    if (c->tls && c->tls_verify && c->tls_ca)
        mysql_options(m, MYSQL_OPT_SSL_CA, c->tls_ca);
}

#endif

static void set_options(MYSQL *m, const struct config_backend *c)
{
    unsigned connect_s = whole_seconds(c->connect_timeout_ms), answer_s = whole_seconds(c->commit_timeout_ms);
    unsigned protocol = c->address[0] == '/' ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &answer_s);
    mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &answer_s);
    mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options4(m, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "xaproxy-resolver");
    set_tls(m, c);
}

/* --- life --------------------------------------------------------------------------------------------------------------- */

struct server *server_open(const struct config_backend *c, char *why, size_t why_size)
{
    struct server *s = calloc(1, sizeof *s);
    CHECK(s);
    s->mysql = mysql_init(NULL);
    CHECK(s->mysql);
    set_options(s->mysql, c);
    bool local = c->address[0] == '/';
    if (mysql_real_connect(s->mysql, local ? "localhost" : host_to_name(c), c->resolver_user,
                           c->resolver_password ? c->resolver_password : "", NULL, local ? 0 : (unsigned)c->port,
                           local ? c->address : NULL, 0)) {
        s->opened_ms = clock_wall_ms();
        return s;
    }
    snprintf(why, why_size, "%u %s", mysql_errno(s->mysql), mysql_error(s->mysql));
    server_close(s);
    return NULL;
}

void server_close(struct server *s)
{
    if (!s)
        return;
    mysql_close(s->mysql);
    free(s);
}

uint64_t server_connection_id(const struct server *s)
{
    return mysql_thread_id(s->mysql);
}

int64_t server_opened_ms(const struct server *s)
{
    return s->opened_ms;
}

uint8_t server_charset(const struct server *s)
{
    return (uint8_t)s->mysql->server_language;
}

int server_socket(const struct server *s)
{
#ifdef HAVE_MYSQL_GET_SOCKET
    return (int)mysql_get_socket(s->mysql);
#else
    return (int)s->mysql->net.fd;
#endif
}

/* --- asking ------------------------------------------------------------------------------------------------------------- */

static uint16_t error_of(struct server *s)
{
    unsigned code = mysql_errno(s->mysql);
    if (IS_CLIENT_ERROR(code))
        s->lost = true;
    return (uint16_t)code;
}

#define COLUMNS_MAX 16
static uint16_t take_rows(struct server *s, server_row_fn *row, void *arg)
{
    MYSQL_RES *result = mysql_store_result(s->mysql);
    if (!result)
        return error_of(s); /* 0: a statement without a result set */
    unsigned n = mysql_num_fields(result) < COLUMNS_MAX ? mysql_num_fields(result) : COLUMNS_MAX;
    for (MYSQL_ROW values; row && (values = mysql_fetch_row(result));) {
        unsigned long *len = mysql_fetch_lengths(result);
        struct slice slices[COLUMNS_MAX];
        for (unsigned i = 0; i < n; i++)
            slices[i] = (struct slice){(const uint8_t *)values[i], values[i] ? len[i] : 0};
        row(arg, slices, n);
    }
    mysql_free_result(result);
    return 0;
}

static uint16_t ask(struct server *s, const char *sql, size_t len, server_row_fn *row, void *arg)
{
    s->own_code = 0;
    if (mysql_real_query(s->mysql, sql, (unsigned long)len))
        return error_of(s);
    return take_rows(s, row, arg);
}

uint16_t server_reset(struct server *s)
{
    s->own_code = 0;
    return mysql_reset_connection(s->mysql) ? error_of(s) : 0;
}

uint16_t server_ask(struct server *s, const char *sql, server_row_fn *row, void *arg)
{
    return ask(s, sql, strlen(sql), row, arg);
}

uint16_t server_askf(struct server *s, server_row_fn *row, void *arg, const char *fmt, ...)
{
    char sql[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(sql, sizeof sql, fmt, args);
    va_end(args);
    CHECK(n > 0 && (size_t)n < sizeof sql);
    return ask(s, sql, (size_t)n, row, arg);
}

bool server_lost(const struct server *s)
{
    return s->lost;
}

const char *server_error(const struct server *s)
{
    return s->own_code ? s->own_error : mysql_error(s->mysql);
}

struct text_out {
    char *at;
    size_t size;
};

static void take_first(void *arg, const struct slice *value, unsigned n)
{
    struct text_out *out = arg;
    if (n && value[0].at && !out->at[0])
        snprintf(out->at, out->size, "%.*s", (int)value[0].len, (const char *)value[0].at);
}

bool server_value(struct server *s, const char *sql, char *out, size_t out_size)
{
    struct text_out text = {out, out_size};
    out[0] = '\0';
    return server_ask(s, sql, take_first, &text) == 0;
}
