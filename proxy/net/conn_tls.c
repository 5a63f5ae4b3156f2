/* The change of a connection from plain to TLS, and to compressed packets. Leaves bytes afterwards to conn_io. */
#include "base/check.h"
#include "proxy/net/conn_impl.h"

static void start_tls(struct net_conn *c, struct net_tls *tls, const char *host)
{
    struct net_conn_impl *i = c->impl;
    if (i->phase != NET_OPEN)
        return; /* it failed in this turn; on_closed is due */
    CHECK(!i->stream);
    if (buf_len(&c->in)) {
        net_conn_fail(i, "bytes before the TLS handshake");
        return;
    }
    i->stream = net_tls_stream_new(tls, i->fd, host, &c->writes, i->why);
    if (!i->stream) {
        net_conn_fail(i, i->why);
        return;
    }
    i->limited = false;
    i->plain_left = buf_len(&c->out);
    i->phase = NET_STARTTLS;
    net_conn_soil(i);
    net_conn_watch(i);
}

void net_conn_tls_server(struct net_conn *c, struct net_tls *tls)
{
    start_tls(c, tls, NULL);
}

void net_conn_tls_client(struct net_conn *c, struct net_tls *tls, const char *host)
{
    start_tls(c, tls, host);
}

void net_conn_start_handshake(struct net_conn_impl *i)
{
    i->phase = NET_HANDSHAKE;
    net_conn_step_handshake(i);
}

/* Input that came with the last handshake record is in the stream, no event will tell: read it in this very turn. */
static void finish_handshake(struct net_conn_impl *i)
{
    i->phase = NET_OPEN;
    i->write_event = 0;
    i->pub.tls = true;
    if (i->pub.ops->on_tls)
        i->pub.ops->on_tls(i->pub.arg);
    if (buf_len(&i->pub.out))
        net_conn_soil(i);
    net_conn_read_again(i);
}

void net_conn_step_handshake(struct net_conn_impl *i)
{
    switch (net_tls_stream_handshake(i->stream, i->why)) {
    case NET_IO_DONE:
        finish_handshake(i);
        break;
    case NET_IO_WANT_READ:
        i->write_event = EV_READ;
        break;
    case NET_IO_WANT_WRITE:
        i->write_event = EV_WRITE;
        break;
    case NET_IO_DEAD:
        net_conn_fail(i, i->why);
        break;
    }
}

/* What was said before goes first; what came already belongs to the packets. */
void net_conn_compress(struct net_conn *c, enum net_compression_method method, int level)
{
    struct net_conn_impl *i = c->impl;
    CHECK(!i->compression);
    i->compression = net_compression_new(method, level);
    buf_append(&i->compression->out, buf_at(&c->out), buf_len(&c->out));
    buf_append(&i->compression->in, buf_at(&c->in), buf_len(&c->in));
    buf_clear(&c->out);
    buf_clear(&c->in);
    i->compression->pending = buf_len(&i->compression->in);
    net_conn_read_soon(i);
}

void net_conn_answer(struct net_conn *c)
{
    struct net_compression *compression = c->impl->compression;
    if (!compression)
        return;
    while (buf_len(&c->out))
        net_compression_pack(compression, &c->out);
    net_compression_answer(compression);
}
