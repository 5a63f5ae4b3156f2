/* What the files of this folder share about a loop: libev's handle and the lists that the end of a turn works off. */
#ifndef PROXY_NET_LOOP_IMPL_H
#define PROXY_NET_LOOP_IMPL_H

#include <ev.h>

#include "proxy/net/loop.h"

struct net_loop {
    struct ev_loop *ev;
    ev_async posted; /* the mailbox has letters */
    ev_check turn_begin;
    ev_prepare turn_end;
    ev_idle again_soon; /* active while `again` has members: the kernel will not report what TLS has already read */
    struct mailbox box;
    void *receiver;
    int64_t now_ms;
    uint64_t turn, late_turn; /* in the latter timers waited for the sockets */
    struct list deferred;
    struct list conns;  /* all that exist */
    struct list again;  /* have input that is not in the kernel any more, to be read in the next turn */
    struct list failed; /* on_closed is due */
    struct list dirty;  /* have output */
    struct list dead;   /* to be freed at the end of this turn */
};

#endif
