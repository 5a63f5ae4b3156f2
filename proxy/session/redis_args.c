/* A Redis command from the arguments of a CALL. */
#include "proxy/session/redis_args.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_counter(const struct comp_argv *command)
{
    return command->n && slice_is_word(comp_argv_at(command, 0), "XAINCR");
}

uint16_t redis_args_append(const struct call_args *args, unsigned from, struct comp_argv *command, char *why, size_t why_size)
{
    for (unsigned i = from; i < args->n; i++) {
        struct slice value = call_args_at(args, i);
        if (call_args_value(args, i)->null && i >= from + 2 && is_counter(command)) {
            comp_argv_text(command, ""); /* no bound */
            continue;
        }
        if (call_args_value(args, i)->null) {
            snprintf(why, why_size, "Argument %u of the Redis command cannot be null", i + 1 - from);
            return 1048;
        }
        comp_argv_add(command, value.at, value.len);
    }
    return 0;
}

/* CMD('X', ...) is X(...), HELD('X', ...) too, but for when it is done. */
static bool is_prefix(const char *name)
{
    return !strcasecmp(name, "CMD") || !strcasecmp(name, "HELD");
}

static uint16_t make_command(struct redis_args *a, char *why, size_t why_size)
{
    comp_argv_clear(&a->command);
    if (!is_prefix(a->name))
        comp_argv_text(&a->command, a->name);
    return redis_args_append(&a->args, 0, &a->command, why, why_size);
}

uint16_t redis_args_read(struct redis_args *a, const struct sql_call *call, const struct wire_param *params, unsigned n_params,
                         char *why, size_t why_size)
{
    strcpy(a->name, call->name);
    uint16_t code = call_args_read(&a->args, call, params, n_params, why, why_size);
    if (code)
        return code;
    if (!call->n && is_prefix(call->name)) {
        snprintf(why, why_size, "%s needs the name of a Redis command as its first argument", call->name);
        return 1318;
    }
    return make_command(a, why, why_size);
}

uint16_t redis_args_complete(struct redis_args *a, char *why, size_t why_size)
{
    return make_command(a, why, why_size);
}

void redis_args_fini(struct redis_args *a)
{
    call_args_fini(&a->args);
    comp_argv_fini(&a->command);
}
