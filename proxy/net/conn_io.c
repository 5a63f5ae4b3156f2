/* Bytes in and out of a connection, plain or through its TLS stream: what the watcher waits for, how much a turn may
 * read, when and how often is written. */
#include <stdio.h>

#include "base/check.h"
#include "proxy/net/conn_impl.h"

enum {
    READ_SIZE_MIN = 4096,
    READ_TURN_MAX = 64 * 1024, /* a turn's share of one connection: nobody starves the others */
    KEEP_IDLE = 0,             /* an empty buffer larger than this is given back: most connections are idle */
    KEEP_BUSY = 4 * READ_TURN_MAX, /* the same of one that has much to read */
    UNPACK_TURN_MAX = 4 * READ_TURN_MAX, /* the same, where a few bytes unpack to many */
};

static bool may_read(const struct net_conn_impl *i)
{
    return i->phase == NET_OPEN && !i->paused && (!i->limited || i->limit_left);
}

static int wanted_events(const struct net_conn_impl *i)
{
    switch (i->phase) {
    case NET_CONNECTING:
        return EV_WRITE;
    case NET_OPEN:
        return i->write_event | (may_read(i) ? i->read_event : 0);
    case NET_STARTTLS:
    case NET_HANDSHAKE:
    case NET_FLUSHING:
        return i->write_event;
    case NET_LINGERING:
        return EV_READ;
    case NET_FAILED:
    case NET_DEAD:
        break;
    }
    return 0;
}

void net_conn_watch(struct net_conn_impl *i)
{
    int events = wanted_events(i);
    if (events == (ev_is_active(&i->io) ? i->io.events & (EV_READ | EV_WRITE) : 0))
        return;
    ev_io_stop(i->pub.loop->ev, &i->io);
    if (!events)
        return;
    ev_io_set(&i->io, i->fd, events);
    ev_io_start(i->pub.loop->ev, &i->io);
}

/* --- reading --- */

static struct buf *incoming(struct net_conn_impl *i)
{
    return i->compression ? &i->compression->in : &i->pub.in;
}

static enum net_io take(struct net_conn_impl *i, size_t room, size_t *got)
{
    uint8_t *to = buf_try_reserve(incoming(i), room);
    if (!to) {
        snprintf(i->why, sizeof i->why, "no memory for what it sends: it has sent %zu bytes", buf_len(incoming(i)));
        return NET_IO_DEAD;
    }
    return i->stream ? net_tls_stream_read(i->stream, to, room, got, i->why)
                     : net_socket_recv(i->fd, to, room, got, i->why);
}

/* Many connections are quiet and few are torrents: room follows what came last. */
static void adapt_read_size(struct net_conn_impl *i, size_t got, size_t room)
{
    if (got == i->read_size && i->read_size < READ_TURN_MAX)
        i->read_size *= 2;
    else if (room == i->read_size && got < room / 4 && i->read_size > READ_SIZE_MIN)
        i->read_size /= 2;
}

static size_t receive(struct net_conn_impl *i, enum net_io *end)
{
    size_t got, left = READ_TURN_MAX;
    if (i->limited && i->limit_left < left)
        left = i->limit_left;
    const size_t all = left;
    if (i->stream)
        net_tls_stream_allow(i->stream, READ_TURN_MAX);
    *end = NET_IO_DONE;
    while (left) {
        size_t room = i->read_size < left ? i->read_size : left;
        *end = take(i, room, &got);
        if (*end != NET_IO_DONE)
            break;
        buf_added(incoming(i), got);
        left -= got;
        adapt_read_size(i, got, room);
        if (!i->stream && got < room)
            break; /* the kernel has no more: the next call would only say so */
    }
    if (i->limited)
        i->limit_left -= all - left;
    i->pub.bytes_in += all - left;
    return all - left;
}

/* What was received is unpacked before more is: an end of the connection is reported behind it. */
static size_t receive_packed(struct net_conn_impl *i, enum net_io *end)
{
    struct net_compression *c = i->compression;
    size_t had = buf_len(&i->pub.in);
    *end = NET_IO_DONE;
    if (!c->pending)
        receive(i, end);
    if (!net_compression_unpack(c, &i->pub.in, UNPACK_TURN_MAX, i->why, sizeof i->why))
        *end = NET_IO_DEAD;
    else if (c->pending)
        *end = NET_IO_DONE;
    if (!buf_len(&c->in) && c->in.cap > KEEP_IDLE)
        buf_fini(&c->in);
    return buf_len(&i->pub.in) - had;
}

size_t net_conn_fill(struct net_conn_impl *i, enum net_io *end)
{
    return i->compression ? receive_packed(i, end) : receive(i, end);
}

/* What is out of the kernel and not yet given to the owner causes no event. */
static bool holds_back(const struct net_conn_impl *i)
{
    return (i->stream && net_tls_stream_has_pending(i->stream)) || (i->compression && i->compression->pending);
}

void net_conn_read_soon(struct net_conn_impl *i)
{
    struct net_loop *loop = i->pub.loop;
    if (!may_read(i) || !holds_back(i) || !list_empty(&i->again))
        return; /* else ask for another turn */
    list_push_back(&loop->again, &i->again);
    ev_idle_start(loop->ev, &loop->again_soon);
}

static void read_once(struct net_conn_impl *i)
{
    enum net_io end;
    size_t got = net_conn_fill(i, &end);
    i->read_event = end == NET_IO_WANT_WRITE ? EV_WRITE : EV_READ;
    if (got && i->pub.ops->on_read)
        i->pub.ops->on_read(i->pub.arg);
    if (i->phase != NET_OPEN)
        return;
    if (end == NET_IO_DEAD)
        net_conn_fail(i, i->why);
    else if (end == NET_IO_DONE)
        net_conn_read_soon(i);
    if (!buf_len(&i->pub.in) && i->pub.in.cap > (i->read_size == READ_SIZE_MIN ? KEEP_IDLE : KEEP_BUSY))
        buf_fini(&i->pub.in);
}

void net_conn_read_again(struct net_conn_impl *i)
{
    if (may_read(i))
        read_once(i);
    net_conn_watch(i);
}

void net_conn_read_limit(struct net_conn *c, size_t n)
{
    struct net_conn_impl *i = c->impl;
    i->limited = n;
    i->limit_left = n;
    net_conn_read_soon(i);
    net_conn_watch(i);
}

void net_conn_pause(struct net_conn *c)
{
    c->impl->paused = true;
    net_conn_watch(c->impl);
}

void net_conn_resume(struct net_conn *c)
{
    c->impl->paused = false;
    net_conn_read_soon(c->impl);
    net_conn_watch(c->impl);
}

bool net_conn_paused(const struct net_conn *c)
{
    return c->impl->paused;
}

/* --- writing --- */

void net_conn_soil(struct net_conn_impl *i)
{
    if (list_empty(&i->dirty) && i->phase != NET_DEAD)
        list_push_back(&i->pub.loop->dirty, &i->dirty);
}

static bool may_write(const struct net_conn_impl *i)
{
    return i->phase == NET_OPEN || i->phase == NET_STARTTLS || i->phase == NET_FLUSHING;
}

/* What goes to the socket next; packets are made as it takes them. */
static struct buf *outgoing(struct net_conn_impl *i)
{
    if (!i->compression)
        return &i->pub.out;
    if (!buf_len(&i->compression->out))
        net_compression_pack(i->compression, &i->pub.out);
    return &i->compression->out;
}

static enum net_io give(struct net_conn_impl *i, const struct buf *out, size_t n, size_t *moved)
{
    if (i->stream && i->phase != NET_STARTTLS)
        return net_tls_stream_write(i->stream, buf_at(out), n, moved, i->why);
    enum net_io end = net_socket_send(i->fd, buf_at(out), n, moved, i->why);
    if (end == NET_IO_DONE)
        i->pub.writes++;
    return end;
}

size_t net_conn_unsent(struct net_conn_impl *i)
{
    return i->phase == NET_STARTTLS ? i->plain_left : buf_len(outgoing(i));
}

/* Until all is out or the socket is full. False: it died. */
static bool push(struct net_conn_impl *i)
{
    size_t moved, n;
    if (buf_len(&i->pub.out) > i->high_water)
        i->above_high = true;
    while (!i->write_event && (n = net_conn_unsent(i))) {
        struct buf *out = outgoing(i);
        switch (give(i, out, n, &moved)) {
        case NET_IO_DONE:
            buf_consume(out, moved);
            i->pub.bytes_out += moved;
            if (i->phase == NET_STARTTLS)
                i->plain_left -= moved;
            break;
        case NET_IO_WANT_READ:
            i->write_event = EV_READ;
            break;
        case NET_IO_WANT_WRITE:
            i->write_event = EV_WRITE;
            break;
        case NET_IO_DEAD:
            i->unread_words = i->phase == NET_OPEN;
            net_conn_fail(i, i->why);
            return false;
        }
    }
    return true;
}

static void after_push(struct net_conn_impl *i)
{
    if (i->phase == NET_STARTTLS && !i->plain_left) {
        net_conn_start_handshake(i);
    } else if (i->phase == NET_FLUSHING && !net_conn_unsent(i)) {
        net_conn_linger(i);
    } else if (i->phase == NET_OPEN && i->above_high && buf_len(&i->pub.out) <= i->low_water) {
        i->above_high = false;
        if (i->pub.ops->on_drained)
            i->pub.ops->on_drained(i->pub.arg);
    }
    if (i->pub.out.cap > KEEP_IDLE)
        buf_shrink(&i->pub.out);
    if (i->compression)
        buf_shrink(&i->compression->out);
}

/* A second time in a turn (a callback at the end of the turn wrote again) means: in the next one. */
void net_conn_write_turn(struct net_conn_impl *i)
{
    list_remove(&i->dirty);
    if (!may_write(i))
        return;
    if (i->written_turn == i->pub.loop->turn) {
        if (!i->write_event)
            i->write_event = EV_WRITE;
    } else {
        i->written_turn = i->pub.loop->turn;
        if (push(i))
            after_push(i);
    }
    net_conn_watch(i);
}

void net_conn_flush(struct net_conn *c)
{
    net_conn_soil(c->impl);
}

int net_conn_flush_now(struct net_conn *c)
{
    struct net_conn_impl *i = c->impl;
    if (may_write(i) && push(i))
        net_conn_soil(i); /* on_drained and the step to TLS belong to the end of the turn */
    net_conn_watch(i);
    return i->phase == NET_FAILED || i->phase == NET_DEAD ? -1 : 0;
}

void net_conn_water(struct net_conn *c, size_t high, size_t low)
{
    CHECK(low < high);
    c->impl->high_water = high;
    c->impl->low_water = low;
}

bool net_conn_above_water(const struct net_conn *c)
{
    return buf_len(&c->out) > c->impl->high_water;
}

/* --- events --- */

static void read_away(struct net_conn_impl *i)
{
    char scratch[READ_SIZE_MIN];
    size_t got;
    if (net_socket_recv(i->fd, scratch, sizeof scratch, &got, i->why) == NET_IO_DEAD)
        net_conn_bury(i);
}

static void move_bytes(struct net_conn_impl *i, int revents)
{
    if (revents & i->write_event) {
        i->write_event = 0;
        net_conn_soil(i);
    }
    if (may_read(i) && revents & i->read_event)
        read_once(i);
}

void net_conn_on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    struct net_conn_impl *i = w->data;
    (void)ev;
    if (i->phase == NET_CONNECTING)
        net_conn_finish_connect(i);
    else if (i->phase == NET_HANDSHAKE)
        net_conn_step_handshake(i);
    else if (i->phase == NET_LINGERING)
        read_away(i);
    else
        move_bytes(i, revents);
    net_conn_watch(i);
}
