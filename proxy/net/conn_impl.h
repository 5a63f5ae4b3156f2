/* A connection from inside: its phase, its watcher, its places on the loop's lists. conn.c holds life and death,
 * conn_io.c the bytes, conn_tls.c the change to TLS and to compression. */
#ifndef PROXY_NET_CONN_IMPL_H
#define PROXY_NET_CONN_IMPL_H

#include "proxy/net/conn.h"
#include "proxy/net/loop_impl.h"
#include "proxy/net/tls_stream.h"

/*  CONNECTING ──→ OPEN ──→ STARTTLS ──→ HANDSHAKE ──→ OPEN
 *       any of them ──→ FAILED (on_closed is due) ──→ DEAD
 *                OPEN ──→ FLUSHING ──→ LINGERING ──→ DEAD       net_conn_close(after_flush)
 *       any of them ──→ DEAD                                    net_conn_close */
enum net_phase {
    NET_CONNECTING, /* waits for TCP */
    NET_OPEN,       /* bytes go both ways, plain or through the stream */
    NET_STARTTLS,   /* the last plain bytes go out */
    NET_HANDSHAKE,
    NET_FAILED,    /* died by itself, the owner will be told at the end of the turn */
    NET_FLUSHING,  /* the owner has left; its last bytes go out */
    NET_LINGERING, /* they are out; the peer's last ones are read away */
    NET_DEAD,      /* memory goes back at the end of the turn */
};

struct net_conn_impl {
    struct net_conn pub;
    int fd;
    enum net_phase phase;
    ev_io io;
    ev_timer last_words; /* FLUSHING and LINGERING: their deadline */
    struct list all;     /* net_loop.conns */
    struct list again;   /* net_loop.again */
    struct list dirty;   /* net_loop.dirty */
    struct list state;   /* net_loop.failed or .dead */
    struct net_tls_stream *stream;
    struct net_compression *compression; /* between `in`, `out` and what moves; NULL: there is none */
    size_t plain_left; /* STARTTLS: bytes at the head of out that go before the handshake */
    int read_event;    /* what reading waits for: EV_READ, with TLS sometimes EV_WRITE */
    int write_event;   /* what writing or the handshake waits for, 0 = nothing */
    bool paused;
    bool limited;
    size_t limit_left;
    size_t read_size; /* how much room to offer the next read: grows with what comes */
    size_t high_water, low_water;
    bool above_high;       /* out was above high water; on_drained is owed */
    uint64_t written_turn; /* the turn in which out was last written */
    bool unread_words;     /* FAILED by a write: the peer may have said why before */
    char why[NET_WHY_SIZE];
};

/* For the loop. */
void net_conn_report(struct net_conn_impl *i);
void net_conn_write_turn(struct net_conn_impl *i);
void net_conn_read_again(struct net_conn_impl *i);
void net_conn_free(struct net_conn_impl *i);

/* conn.c for the others */
void net_conn_fail(struct net_conn_impl *i, const char *why); /* `why` may be i->why */
void net_conn_bury(struct net_conn_impl *i);                  /* to DEAD */
void net_conn_linger(struct net_conn_impl *i);                /* FLUSHING is done */
void net_conn_finish_connect(struct net_conn_impl *i);

/* conn_io.c for the others */
void net_conn_watch(struct net_conn_impl *i); /* sets the watcher to what the state needs */
void net_conn_soil(struct net_conn_impl *i);  /* onto the dirty list */
size_t net_conn_unsent(struct net_conn_impl *i); /* bytes that wait for the socket */
void net_conn_on_io(struct ev_loop *ev, ev_io *w, int revents);
void net_conn_read_soon(struct net_conn_impl *i); /* in a turn of its own, where something came that no event will tell of */
size_t net_conn_fill(struct net_conn_impl *i, enum net_io *end); /* reads into `in`; how many bytes */

/* conn_tls.c for conn_io.c */
void net_conn_start_handshake(struct net_conn_impl *i);
void net_conn_step_handshake(struct net_conn_impl *i);

#endif
