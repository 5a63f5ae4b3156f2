/* Which commands, and which keys, somebody may use: said in the words of Redis' ACL, by names and categories. Leaves whose words
 * they are, and the refusal, to others. */
#ifndef COMPENSATE_RIGHTS_H
#define COMPENSATE_RIGHTS_H

#include <stdbool.h>

#include "compensate/command.h"

/* Whether a word for comp_rights_to_command means something: @category, a command's name (a container's part: XGROUP|CREATE),
 * each with a minus before it to take it back. A name with a dot is some module's. */
bool comp_rights_word(const char *word) MUST_USE;
/* Words to a NULL, applied one after another; what none of them names is not allowed. */
bool comp_rights_to_command(char *const *words, const struct comp_command_use *use) MUST_USE;
/* Prefixes to a NULL. Every key has one of them; so have the patterns of what shows keys by pattern (KEYS, SCAN, SORT), and what
 * reads or writes without naming keys is not allowed. */
bool comp_rights_to_keys(char *const *prefixes, const struct comp_argv *command, const struct comp_command_use *use) MUST_USE;

#endif
