/* Shared by the files of this folder only. */
#ifndef PROXY_ADMIN_IMPL_H
#define PROXY_ADMIN_IMPL_H

#include "proxy/admin/statement.h"
#include "proxy/resolver/resolver.h"
#include "proxy/session/session.h"

struct admin {
    struct world *world;
    struct resolver *resolver;
};

/* verdict.c: what a person decides. Answers. */
void verdict_run(const struct admin *admin, struct session *s, const struct admin_statement *st);

#endif
