/* One TLS conversation over a non-blocking socket: handshake, bytes, end. Leaves contexts to tls, buffers and events to
 * conn. */
#ifndef PROXY_NET_TLS_STREAM_H
#define PROXY_NET_TLS_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/net/socket.h"
#include "proxy/net/tls.h"

struct net_tls_stream;

/* Borrows fd and `writes`, which counts sends that moved bytes. host as in net_conn_tls_client. NULL with why. */
struct net_tls_stream *net_tls_stream_new(struct net_tls *tls, int fd, const char *host, uint64_t *writes, char *why);
void net_tls_stream_free(struct net_tls_stream *s);

/* NET_IO_DONE = complete and, where asked for, verified. */
enum net_io net_tls_stream_handshake(struct net_tls_stream *s, char *why) MUST_USE;
enum net_io net_tls_stream_read(struct net_tls_stream *s, void *to, size_t n, size_t *moved, char *why) MUST_USE;
/* A write that did not finish must be repeated with at least the same bytes (they may have moved). */
enum net_io net_tls_stream_write(struct net_tls_stream *s, const void *from, size_t n, size_t *moved,
                                 char *why) MUST_USE;
/* Bytes were taken from the socket that net_tls_stream_read has not given out: no event will tell of them. */
bool net_tls_stream_has_pending(const struct net_tls_stream *s);
/* What the socket may give from now on until the next call: bounds the work that one turn does for one peer. */
void net_tls_stream_allow(struct net_tls_stream *s, size_t bytes);
/* Says goodbye (close_notify), without waiting for an answer. */
void net_tls_stream_shutdown(struct net_tls_stream *s);

#endif
