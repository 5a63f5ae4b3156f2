/* The rest of the statements that the proxy acts on itself: are they well-formed? Internal to the folder; leaves the
 * first words to keywords.h. */
#ifndef PROXY_SQL_DETAILS_H
#define PROXY_SQL_DETAILS_H

#include "proxy/sql/classify.h"
#include "proxy/sql/keywords.h"

/* `in` stands behind the first words (those of `row`). Fills name, chain, read_only, ... of `out`. False: malformed, so
 * a server shall say what is wrong; always true for kinds without details. */
bool sql_details(const struct sql_tokens *in, const struct sql_keyword *row, struct sql_statement *out) MUST_USE;

#endif
