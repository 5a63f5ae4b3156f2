/* Is a statement nothing but a call of a Redis resource or of xa? Internal to the folder; its arguments: classify.h. */
#ifndef PROXY_SQL_CALL_H
#define PROXY_SQL_CALL_H

#include "proxy/sql/classify.h"

/* `begin` stands on the statement's first word. Where it is CALL resource.COMMAND..., DO or a lone SELECT of it, or
 * CALL xa.procedure..., sets kind and name, and takes resource_inside back. */
void sql_call_recognize(const struct sql_tokens *begin, const struct sql_context *ctx, struct sql_statement *out);

#endif
