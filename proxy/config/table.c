/* The rows of options.def and sections.def as data, and the way from a row to an object. */
#include "proxy/config/table.h"

#include <string.h>

const struct config_section config_sections[CONFIG_KINDS] = {
    {"proxy", sizeof(struct config), 0, 0, 0, "[proxy]: the daemon itself"},
#define SECTION(word, type, array, name, help)                                                                         \
    {#word,                                                                                                            \
     sizeof(struct type),                                                                                              \
     offsetof(struct config, array),                                                                                   \
     offsetof(struct config, n_##array),                                                                               \
     offsetof(struct type, name),                                                                                      \
     help},
#include "proxy/config/sections.def"
#undef SECTION
};

/* Never defined: they lead from a section's word to the struct that its options fill. */
extern struct config config_a_proxy;
#define SECTION(word, type, array, name, help) extern struct type config_a_##word;
#include "proxy/config/sections.def"
#undef SECTION

const char config_required[] = "required";
#define REQUIRED config_required
#define NONE NULL

const struct config_option config_options[] = {
#define OPTION(section, name, type, field, default_text, min, max, unit, help)                                         \
    {CONFIG_KIND_##section,                                                                                            \
     #name,                                                                                                            \
     CONFIG_TYPE_##type,                                                                                               \
     offsetof(typeof(config_a_##section), field),                                                                      \
     sizeof(config_a_##section.field),                                                                                 \
     default_text,                                                                                                     \
     min,                                                                                                              \
     max,                                                                                                              \
     unit,                                                                                                             \
     help},
#include "proxy/config/options.def"
#undef OPTION
};
const size_t config_n_options = sizeof config_options / sizeof *config_options;

static const struct {
    const char *called;
    bool heap;
} types[] = {
#define CONFIG_TYPE_ROW(name, called, heap) {called, heap},
    CONFIG_TYPES(CONFIG_TYPE_ROW)
#undef CONFIG_TYPE_ROW
};

const char *config_type_name(enum config_type type)
{
    return types[type].called;
}

bool config_type_is_heap(enum config_type type)
{
    return types[type].heap;
}

bool config_type_is_secret(enum config_type type)
{
    return type == CONFIG_TYPE_SECRET || type == CONFIG_TYPE_VERIFIER || type == CONFIG_TYPE_NATIVE ||
           type == CONFIG_TYPE_ED25519;
}

size_t config_count(const struct config *c, enum config_kind kind)
{
    size_t n = 1;
    if (kind != CONFIG_KIND_proxy)
        memcpy(&n, (const char *)c + config_sections[kind].count, sizeof n);
    return n;
}

void *config_object(const struct config *c, enum config_kind kind, size_t index)
{
    char *array;
    if (kind == CONFIG_KIND_proxy)
        return (void *)c;
    memcpy(&array, (const char *)c + config_sections[kind].array, sizeof array);
    return array + index * config_sections[kind].size;
}

bool config_is_kind(const struct config *c, enum config_kind kind, size_t index)
{
    if (kind != CONFIG_KIND_user && kind != CONFIG_KIND_admin)
        return true;
    return c->users[index].admin == (kind == CONFIG_KIND_admin);
}
