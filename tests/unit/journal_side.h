/* What the programs about the journal share: a journal over a real log in a folder of its own. */
#ifndef TESTS_UNIT_JOURNAL_SIDE_H
#define TESTS_UNIT_JOURNAL_SIDE_H

#include "tests/unit/unit.h"

#include "proxy/journal/journal.h"

extern struct config side_config; /* of node "unit"; the program fills in the rest */
extern struct journal *journal;   /* from side_begin to side_end */

void side_begin(void);
void side_restart(void);
void side_end(void);

#endif
