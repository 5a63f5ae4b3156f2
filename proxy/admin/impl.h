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

/* The statements. Each of these functions runs one, or several of a kind, and answers. */

/* transactions.c */
void transactions_show_in_doubt(const struct admin *admin, struct session *s, const struct admin_statement *st);
void transactions_show(const struct admin *admin, struct session *s, const struct admin_statement *st);
void transactions_show_conflicts(const struct admin *admin, struct session *s, const struct admin_statement *st);

/* servers.c */
void servers_show_backends(const struct admin *admin, struct session *s, const struct admin_statement *st);
void servers_show_pools(const struct admin *admin, struct session *s, const struct admin_statement *st);
void servers_show_redis(const struct admin *admin, struct session *s, const struct admin_statement *st);
void servers_show_tls(const struct admin *admin, struct session *s, const struct admin_statement *st);

/* verdict.c: what a person decides */
void verdict_run(const struct admin *admin, struct session *s, const struct admin_statement *st);

/* reconcile.c: what does not agree between log, servers and Redis */
void reconcile_show(const struct admin *admin, struct session *s, const struct admin_statement *st);
void reconcile_sweep(const struct admin *admin, struct session *s, const struct admin_statement *st);

/* actions.c: what is to be done after transactions; export.c: all of them, in full */
void actions_run(const struct admin *admin, struct session *s, const struct admin_statement *st);
void export_actions(const struct admin *admin, struct session *s, const struct admin_statement *st);

struct action_value;
struct buf;
void actions_put_number(struct buf *out, const struct action_value *v); /* one that is a number */

#endif
