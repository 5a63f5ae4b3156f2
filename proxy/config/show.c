/* The options and their values for people: help, manual page, SHOW CONFIG. */
#include "proxy/config/table.h"

#include <string.h>

void config_each_option(void (*each)(void *arg, const char *section, const char *option, const char *type,
                                     const char *default_text, const char *help),
                        void *arg)
{
    for (const struct config_option *o = config_options; o < config_options + config_n_options; o++) {
        struct buf type = {0};
        config_value_describe(o, &type);
        each(arg, config_sections[o->section].word, o->name, buf_cstr(&type), o->default_text ? o->default_text : "",
             o->help);
        buf_fini(&type);
    }
}

static const char *name_of(const struct config *c, enum config_kind kind, size_t index, struct buf *out)
{
    buf_clear(out);
    if (kind == CONFIG_KIND_account)
        buf_printf(out, "%s@%s", c->accounts[index].user, c->accounts[index].backend);
    else if (kind == CONFIG_KIND_grant)
        buf_printf(out, "%s@%s", c->grants[index].user, c->grants[index].redis);
    else if (kind != CONFIG_KIND_proxy)
        buf_text(out, *(char **)((char *)config_object(c, kind, index) + config_sections[kind].name));
    return buf_cstr(out);
}

void config_each_value(const struct config *c,
                       void (*each)(void *arg, const char *section, const char *name, const char *option,
                                    const char *value),
                       void *arg)
{
    struct buf name = {0}, value = {0};
    for (enum config_kind kind = 0; kind < CONFIG_KINDS; kind++)
        for (size_t n = 0; n < config_count(c, kind); n++) {
            if (!config_is_kind(c, kind, n))
                continue;
            name_of(c, kind, n, &name);
            CONFIG_FOR_OPTION(o, kind) {
                if (o->type == CONFIG_TYPE_SECRET_FILE)
                    continue; /* the option whose field it filled is shown */
                buf_clear(&value);
                config_value_print(o, config_object(c, kind, n), &value);
                each(arg, config_sections[kind].word, buf_cstr(&name), o->name, buf_cstr(&value));
            }
        }
    buf_fini(&name);
    buf_fini(&value);
}
