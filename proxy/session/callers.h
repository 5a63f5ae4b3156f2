/* Who knocks and who stays: by address, connections that have not logged in, those that have, and log-ins that failed, in a table
 * that no flood makes grow. Leaves the limits for all addresses together to who accepts. */
#ifndef PROXY_SESSION_CALLERS_H
#define PROXY_SESSION_CALLERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"

struct callers;
/* most: connections before their log-in that one address may have. most_clients: after it, 0 = any number. max_delay_ms: of the
 * answer to a failed log-in, 0 = none. */
struct callers *callers_new(unsigned most, unsigned most_clients, int max_delay_ms);
void callers_free(struct callers *c);

/* All of them: any thread. Addresses as struct net_conn has them; an IPv6 one stands for its /64, which is one host's. */

/* False: this address has its share already. Each true is given back with callers_leave. */
bool callers_enter(struct callers *c, const char *address) MUST_USE;
void callers_leave(struct callers *c, const char *address);
/* The same for those that have logged in; given back with callers_gone. */
bool callers_stay(struct callers *c, const char *address) MUST_USE;
void callers_gone(struct callers *c, const char *address);
/* A log-in failed: for how many ms its answer is to be kept back. now_ms: monotonic. */
int callers_failed(struct callers *c, const char *address, int64_t now_ms);

#endif
