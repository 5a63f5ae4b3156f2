/* The running proxy: everything that lives as long as the process, put together and taken apart. */
#ifndef PROXY_DAEMON_H
#define PROXY_DAEMON_H

#include "base/check.h"
#include "proxy/config/config.h"
#include "proxy/net/tls.h"

/* Runs until a signal ends it. Exit status of the process: 0 after a clean end, 1 where it could not start (said in the log;
 * the process ends here), 70 where the log failed under way (wal.h). Borrows the configuration. */
int daemon_run(const struct config *config);
/* Before it: a signal from now on waits until daemon_run hears it. Of this thread, and inherited by all that come from it. */
void daemon_hold_signals(void);
/* What a listener offers. NULL: nothing, or, where `why` says so, it cannot be. net_tls_free() it. */
struct net_tls *daemon_listener_tls(const struct config_listener *listener, char *why, size_t why_size) MUST_USE;

#endif
