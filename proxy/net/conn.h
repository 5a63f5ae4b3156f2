/* A stream socket on a loop, plain or TLS, with a buffer each way. Reads fill `in` and call on_read; writes are
 * appended to `out` and go to the kernel once at the end of the turn. Knows no protocol and sets no deadline: a
 * connect, a handshake or a silence that lasts too long is ended by its owner with net_conn_close. */
#ifndef PROXY_NET_CONN_H
#define PROXY_NET_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "proxy/net/compression.h"
#include "proxy/net/loop.h"
#include "proxy/net/tls.h"

struct net_conn;
struct net_conn_ops {
    void (*on_connected)(void *arg); /* outgoing only: TCP is up (TLS not yet) */
    void (*on_tls)(void *arg);       /* the TLS handshake asked for is complete */
    void (*on_read)(void *arg);      /* conn->in grew; consume what can be used, leave the rest */
    void (*on_drained)(void *arg);   /* conn->out fell below the low-water mark after having been above high water */
    /* Once, at the end of a turn; the connection is dead, `why` is a short text (peer closed, reset, TLS alert,
     * timeout, ...). What the peer sent before is in `in`. The object lives to the end of this turn; net_conn_close is
     * not needed but harmless until then. Not called for net_conn_close of our own. */
    void (*on_closed)(void *arg, const char *why);
};

/* Heap object: its memory is given back at the end of the turn in which it was closed. The owner consumes `in` and
 * appends to `out`, and never takes back what was flushed. Any callback may be NULL. */
struct net_conn {
    struct buf in, out;
    struct net_loop *loop;
    const struct net_conn_ops *ops;
    void *arg;
    uint64_t bytes_in, bytes_out; /* of the owner's bytes, as compressed: TLS adds its own */
    uint64_t writes;              /* write calls that moved bytes: the count of trips for benchmarks and tests */
    char peer[64];                /* address as text, without port; "unix" for a local socket */
    uint16_t peer_port;
    bool tls; /* established */
    struct net_conn_impl *impl;
};

/* Takes an accepted, non-blocking fd. Never fails: what is wrong with the fd comes as on_closed. */
struct net_conn *net_conn_accept(struct net_loop *loop, int fd, const struct net_conn_ops *ops, void *arg);
/* Starts connecting to host (a numeric address, or a name that net_resolve has learned: nothing here waits for DNS) or,
 * where not NULL, to unix_path. NULL only when it fails at once, `why` says so. TCP_NODELAY and keepalive are set. What
 * is put into `out` meanwhile goes out after on_connected. */
struct net_conn *net_conn_connect(struct net_loop *loop, const char *host, uint16_t port, const char *unix_path,
                                  const struct net_conn_ops *ops, void *arg, char *why, size_t why_size);

/* Reads at most n more bytes from now on until called again (0 = no limit): before TLS a greeting reader must not take
 * bytes that belong to the TLS layer (the injection class of CVE-2021-23214). What is beyond stays in the kernel. */
void net_conn_read_limit(struct net_conn *c, size_t n);
/* Back-pressure: a paused connection stops reading; the kernel's window does the rest. Nested calls do not count. A
 * paused connection does not notice that its peer has gone. net_conn_resume does not repeat on_read for what is already
 * in `in`. */
void net_conn_pause(struct net_conn *c);
void net_conn_resume(struct net_conn *c);
bool net_conn_paused(const struct net_conn *c);
/* Marks for on_drained; default 256 KiB and 64 KiB. */
void net_conn_water(struct net_conn *c, size_t high, size_t low);
bool net_conn_above_water(const struct net_conn *c);

/* Something was appended to `out`: write at the end of this turn. net_conn_flush_now writes at once what the kernel
 * takes (failpoints and pipelining tests need it; returns -1 when the connection died, on_closed follows at the end of
 * the turn). */
void net_conn_flush(struct net_conn *c);
int net_conn_flush_now(struct net_conn *c);

/* TLS over this connection from now on; on_tls or on_closed follows. host: name or address to verify (client side; also
 * sent as SNI where it is a name), NULL = none. What is in `out` now still goes out plain, what is appended later goes
 * through TLS. Bytes left in `in` came before the handshake and could be an injection: the connection is closed for
 * them. A read limit ends here. */
void net_conn_tls_server(struct net_conn *c, struct net_tls *tls);
void net_conn_tls_client(struct net_conn *c, struct net_tls *tls, const char *host);

/* From now on bytes go in compressed packets, both ways, within TLS where there is TLS; `in` and `out` stay what the
 * owner sees and says. What is in `out` now still goes as it is. Once a connection; level as in net_compression_new. */
void net_conn_compress(struct net_conn *c, enum net_compression_method method, int level);
/* What is appended to `out` from now on answers what was read last, so that compressed packets are numbered anew. Without
 * compression nothing. */
void net_conn_answer(struct net_conn *c);
/* tls_peer.c: the certificate that the peer showed; it counts where `ca` of our side made it verified and while it has not
 * expired. subject, issuer: as net_conn_certificate_is compares them, "/C=SE/O=Shop/CN=app" (a slash within a part is \/), NULL =
 * any. identity: the whole of the common name, or of a DNS, e-mail or URI name of the subject. */
bool net_conn_certificate_is(const struct net_conn *c, const char *subject, const char *issuer);
bool net_conn_certificate_names(const struct net_conn *c, const char *identity);
/* As OpenSSL names them, "TLS_AES_256_GCM_SHA384" and "TLSv1.3"; "" without TLS. Of no use once the connection is closed. */
const char *net_conn_tls_cipher(const struct net_conn *c);
const char *net_conn_tls_version(const struct net_conn *c);

/* Closes at the end of this turn; no callback comes after this call. With `after_flush` what is in `out` goes out
 * first, and what the peer still sends is read away so that its kernel does not drop our last words for a reset (both
 * together up to 1 s). `c` must not be used afterwards. */
void net_conn_close(struct net_conn *c, bool after_flush);

#endif
