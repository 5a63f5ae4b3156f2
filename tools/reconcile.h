/* xactl reconcile: looks everywhere, says what does not agree, and with --repair waits until what is certain has been settled. */
#ifndef TOOLS_RECONCILE_H
#define TOOLS_RECONCILE_H

#include "tools/xactl_options.h"

enum reconcile_exit { RECONCILE_CLEAN = 0, RECONCILE_REPAIRED = 1, RECONCILE_PERSON = 2, RECONCILE_UNSEEN = 3 };

/* Prints the findings. ADMIN_CLIENT_OK: *code is how it ended; else `error` is filled. */
enum admin_client_status reconcile(const struct xactl_options *o, struct admin_client *client, enum reconcile_exit *code,
                                   struct buf *error);

#endif
