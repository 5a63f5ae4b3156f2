/* SQL for the DBA, on listeners with admin = on: what is in doubt, why, and a person's verdict on it. The statements are those of
 * xactl. Runs on main's loop, where a moment's wait for the log harms nobody. */
#ifndef PROXY_ADMIN_ADMIN_H
#define PROXY_ADMIN_ADMIN_H

#include "proxy/session/worker.h"

struct resolver;

/* Makes world->admin_query serve. Both are borrowed for the life of the process. */
void admin_init(struct world *world, struct resolver *resolver);

#endif
