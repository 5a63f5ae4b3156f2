/* Commands that the table does not know, by what a server says of them: newer ones, those of modules, renamed ones. A write whose
 * keys the server names is taken back by images of these keys whole. */
#ifndef COMPENSATE_LEARN_H
#define COMPENSATE_LEARN_H

#include "compensate/command.h"

/* What COMMAND INFO says of the name and COMMAND GETKEYSANDFLAGS of the command; all-zero: nothing. */
struct comp_described {
    bool writes, reads;   /* its flags; what has neither administers something */
    bool no_script;       /* cannot run inside a function */
    unsigned n_keys;      /* told to comp_described_key, possibly more than fit */
    struct {
        struct slice name;
        bool written;
    } key[COMP_MAX_KEYS];
};
void comp_described_key(struct comp_described *d, struct slice name, bool written);

/* A row made for one command; use->row points into it. */
struct comp_learned {
    char name[64];
    struct comp_command row;
};

/* As comp_command_check for what that did not know (1305). */
bool comp_learn(const struct comp_argv *command, const struct comp_described *d, struct comp_learned *learned,
                struct comp_command_use *use, struct comp_refusal *why) MUST_USE;

#endif
