/* The running proxy: everything that lives as long as the process, put together and taken apart. */
#ifndef PROXY_DAEMON_H
#define PROXY_DAEMON_H

#include "proxy/config/config.h"

/* Runs until a signal ends it. Exit status of the process: 0 after a clean end, 1 where it could not start (said in the log),
 * 70 where the log failed under way (wal.h). Borrows the configuration. */
int daemon_run(const struct config *config);

#endif
