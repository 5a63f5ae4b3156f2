/* What a server's error says about trying again. */
#ifndef ACTIONS_ERRORS_H
#define ACTIONS_ERRORS_H

#include "actions/policy.h"

/* An error of a statement, not of a connection. What is not known may pass by itself. */
enum action_result action_result_of_sql(uint16_t code);

#endif
