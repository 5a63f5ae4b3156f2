/* What an application says of an action or of a saga's step as JSON: {"key":"order-17","max_age":"24h"}. Pure. */
#ifndef ACTIONS_OPTIONS_H
#define ACTIONS_OPTIONS_H

#include "actions/action.h"
#include "base/check.h"

/* One flat object; what it does not name stays as it was. False: `why` says what is wrong, and what may stand there. */
bool action_options_read(struct slice json, struct action *a, char *why, size_t why_size) MUST_USE;
/* Of a step: {"retriable":true}, which its actions inherit. */
bool action_step_options_read(struct slice json, bool *retriable, char *why, size_t why_size) MUST_USE;

#endif
