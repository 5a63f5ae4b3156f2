/* From a server's description to a row and its use. Leaves asking the server to proxy/session. */
#include "compensate/learn.h"

#include <stdio.h>
#include <string.h>

#include "compensate/slot.h"

void comp_described_key(struct comp_described *d, struct slice name, bool written)
{
    if (d->n_keys < COMP_MAX_KEYS) {
        d->key[d->n_keys].name = name;
        d->key[d->n_keys].written = written;
    }
    d->n_keys++;
}

static bool make_name(char *out, size_t size, struct slice name)
{
    for (size_t i = 0; i < name.len && i < size; i++) {
        out[i] = (char)(name.at[i] >= 'a' && name.at[i] <= 'z' ? name.at[i] - 'a' + 'A' : name.at[i]);
        if (out[i] <= ' ' || out[i] > '~')
            return false;
    }
    if (!name.len || name.len >= size)
        return false;
    out[name.len] = '\0';
    return true;
}

static bool refuse(struct comp_refusal *why, unsigned code, const char *name, const char *what)
{
    why->code = code;
    snprintf(why->sqlstate, sizeof why->sqlstate, "42000");
    snprintf(why->text, sizeof why->text, "Redis command %s %s", name, what);
    return false;
}

/* Any argument that reads the same is as good: only the bytes of a key matter. */
static bool take_key(const struct comp_argv *command, struct slice name, struct comp_command_use *use)
{
    for (size_t i = 1; i < command->n; i++) {
        struct slice arg = comp_argv_at(command, i);
        if (arg.len == name.len && !memcmp(arg.at, name.at, name.len)) {
            use->key[use->n_keys++] = (uint16_t)i;
            return true;
        }
    }
    return false;
}

static bool any_written(const struct comp_described *d)
{
    for (unsigned i = 0; i < d->n_keys; i++)
        if (d->key[i].written)
            return true;
    return false;
}

/* Those written first, as everywhere. Of a write that only reads its keys (a stream's group is such a case) none is believed. */
static bool take_keys(const struct comp_argv *command, const struct comp_described *d, struct comp_command_use *use)
{
    bool believed = !d->writes || any_written(d);
    for (int written = 1; written >= 0; written--) {
        for (unsigned i = 0; i < d->n_keys; i++)
            if ((d->writes && (!believed || d->key[i].written)) == written && !take_key(command, d->key[i].name, use))
                return false;
        if (written)
            use->n_written = use->n_keys;
    }
    return true;
}

static bool has_ours(const struct comp_argv *command, const struct comp_command_use *use)
{
    for (unsigned i = 0; i < use->n_keys; i++)
        if (comp_key_is_ours(comp_argv_at(command, use->key[i])))
            return true;
    return false;
}

bool comp_learn(const struct comp_argv *command, const struct comp_described *d, struct comp_learned *learned,
                struct comp_command_use *use, struct comp_refusal *why)
{
    *use = (struct comp_command_use){.row = &learned->row, .shape = COMP_SHAPE_ANY};
    if (!make_name(learned->name, sizeof learned->name, comp_argv_at(command, 0)))
        return refuse(why, 1305, "of that name", "does not exist");
    if (d->n_keys > COMP_MAX_KEYS || command->n > COMP_MAX_ARGS)
        return refuse(why, 1235, learned->name, "names too many keys");
    if (!d->writes && !d->reads)
        return refuse(why, 1235, learned->name, "cannot be used through the proxy: the server says neither that it reads nor that"
                      " it writes");
    if (d->writes && d->no_script)
        return refuse(why, 1235, learned->name, "cannot be used through the proxy: the server does not let it run in a function");
    if (!take_keys(command, d, use) || (d->writes && !use->n_written))
        return refuse(why, 1235, learned->name, "cannot be used through the proxy: the server does not say which keys it writes."
                      " Send it past the proxy, to keys that no transaction uses");
    if (has_ours(command, use))
        return refuse(why, 1235, learned->name, "names keys that belong to the proxy");
    use->class = d->writes ? COMP_CLASS_WRITE : COMP_CLASS_READ;
    use->slot = COMP_SLOT_ALONE;
    learned->row = (struct comp_command){
        .name = learned->name, .arity = -1, .class = use->class, .handler = d->writes ? "whole" : NULL, .keys = "",
        .shape = COMP_SHAPE_ANY, .timeout = -1};
    return true;
}
