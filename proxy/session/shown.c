/* SHOW VARIABLES and SHOW STATUS as a server gives them: rows that tell of its connection what is the proxy's doing get the
 * session's values. Leaves those that are asked for alone to own_variables.c, @@variables within statements to information.c. */
#include "proxy/session/phases.h"
#include "proxy/session/tx.h"

#include <stdio.h>
#include <string.h>

static bool put_status(struct session *s, struct slice name, struct buf *value)
{
    if (slice_is_word(name, "Ssl_cipher"))
        buf_text(value, net_conn_tls_cipher(s->net));
    else if (slice_is_word(name, "Ssl_version"))
        buf_text(value, net_conn_tls_version(s->net));
    else if (slice_is_word(name, "Compression"))
        buf_text(value, s->caps & (WIRE_CAP_COMPRESS | WIRE_CAP_ZSTD) ? "ON" : "OFF");
    else if (slice_is_word(name, "Compression_algorithm"))
        buf_text(value, s->caps & WIRE_CAP_COMPRESS ? "zlib" : s->caps & WIRE_CAP_ZSTD ? "zstd" : "");
    else
        return false;
    return true;
}

static bool put_variable(struct session *s, struct slice name, struct buf *value)
{
    if (slice_is_word(name, "autocommit"))
        buf_text(value, s->autocommit ? "ON" : "OFF");
    else if (slice_is_word(name, "in_transaction"))
        buf_text(value, session_in_transaction(s) ? "1" : "0");
    else if (slice_is_word(name, "pseudo_thread_id"))
        buf_printf(value, "%llu", (unsigned long long)s->id);
    else
        return tracking_show(s, name, value);
    return true;
}

/* The name and its value; in binary rows behind a zero and a map of NULLs, of which there are none here. */
static bool write_row(struct session *s, struct slice row, bool (*put_value)(struct session *s, struct slice name, struct buf *value))
{
    struct cursor c = cursor_make(row.at, row.len);
    struct slice head = cursor_bytes(&c, s->binary ? 2 : 0), name = wire_lenenc_str(&c, NULL);
    struct buf value = {0}, payload = {0};
    bool ours = !c.bad && put_value(s, name, &value);
    if (ours) {
        buf_append(&payload, head.at, head.len);
        wire_lenenc_str_write(&payload, name.at, name.len);
        wire_lenenc_str_write(&payload, buf_at(&value), buf_len(&value));
        columns_first_row(s);
        wire_packet_write(columns_out(s), &s->seq, buf_at(&payload), buf_len(&payload));
    }
    buf_fini(&value);
    buf_fini(&payload);
    return ours;
}

static bool write_status(struct session *s, struct slice row)
{
    return write_row(s, row, put_status);
}

static bool write_variable(struct session *s, struct slice row)
{
    return write_row(s, row, put_variable);
}

bool (*shown_rows(const struct session *s))(struct session *s, struct slice row)
{
    struct sql_tokens in;
    sql_tokens_init(&in, s->statement->text, &s->dialect);
    if (s->statement->kind != SQL_READ || !sql_accept_word(&in, "SHOW"))
        return NULL;
    if (!sql_accept_word(&in, "SESSION"))
        sql_accept_word(&in, "LOCAL");
    if (sql_accept_word(&in, "STATUS"))
        return write_status;
    return sql_accept_word(&in, "VARIABLES") ? write_variable : NULL;
}
