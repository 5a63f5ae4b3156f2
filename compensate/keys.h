/* Where the keys of a command stand: interprets the words of commands.def. */
#ifndef COMPENSATE_KEYS_H
#define COMPENSATE_KEYS_H

#include "compensate/command.h"

enum comp_keys_status {
    COMP_KEYS_FOUND,
    COMP_KEYS_MALFORMED, /* a count that does not fit, no STREAMS */
    COMP_KEYS_TOO_MANY,
};
/* Fills n_written, n_keys and key of `use`. */
enum comp_keys_status comp_keys_find(const char *words, const struct comp_argv *command, struct comp_command_use *use) MUST_USE;

#endif
