/* The tables of sections and options, and the source text cut into their rows: what the files of this folder share. */
#ifndef PROXY_CONFIG_TABLE_H
#define PROXY_CONFIG_TABLE_H

#include "base/buf.h"
#include "proxy/config/config.h"

enum config_kind {
    CONFIG_KIND_proxy,
#define SECTION(word, type, array, name, help) CONFIG_KIND_##word,
#include "proxy/config/sections.def"
#undef SECTION
    CONFIG_KINDS
};

struct config_section {
    const char *word;
    size_t size;         /* of the struct its options fill */
    size_t array, count; /* where struct config keeps them; unused for [proxy] */
    size_t name;         /* field of the struct that holds the section's name */
    const char *help;
};
extern const struct config_section config_sections[CONFIG_KINDS];

/* TYPE(name, what people call it, the field is heap memory) */
#define CONFIG_TYPES(TYPE)                                                                                             \
    TYPE(STRING, "text", true)                                                                                         \
    TYPE(NODE, "name", true)                                                                                           \
    TYPE(PATH, "path", true)                                                                                           \
    TYPE(ADDRESS, "address", true)                                                                                     \
    TYPE(CHOICE, "word", true)                                                                                         \
    TYPE(ENUM, "word", false)                                                                                          \
    TYPE(NETWORKS, "networks", true)                                                                                   \
    TYPE(WORDS, "words", true)                                                                                         \
    TYPE(INT, "number", false)                                                                                         \
    TYPE(BOOL, "switch", false)                                                                                        \
    TYPE(SECONDS, "time", false)                                                                                       \
    TYPE(MILLISECONDS, "time", false)                                                                                  \
    TYPE(SIZE, "size", false)                                                                                          \
    TYPE(SECRET, "secret", true)                                                                                       \
    TYPE(SECRET_FILE, "path", true)                                                                                    \
    TYPE(VERIFIER, "secret", true)                                                                                     \
    TYPE(NATIVE, "secret", true)                                                                                       \
    TYPE(ED25519, "secret", true)

enum config_type {
#define CONFIG_TYPE_ENUM(name, called, heap) CONFIG_TYPE_##name,
    CONFIG_TYPES(CONFIG_TYPE_ENUM)
#undef CONFIG_TYPE_ENUM
};

struct config_option {
    enum config_kind section;
    const char *name;
    enum config_type type;
    size_t offset, size;      /* of the field */
    const char *default_text; /* NULL = none; config_required, by address = must be given */
    int64_t min, max;
    const char *unit, *help;
};
extern const char config_required[];
extern const struct config_option config_options[];
extern const size_t config_n_options;

const char *config_type_name(enum config_type type);
bool config_type_is_heap(enum config_type type);
bool config_type_is_secret(enum config_type type);

/* Walks the options of one section. */
#define CONFIG_FOR_OPTION(o, kind)                                                                                     \
    for (const struct config_option *o = config_options; o < config_options + config_n_options; o++)                   \
        if (o->section == (kind))

/* How many objects of this kind c has, and the index-th (for [proxy] c itself). */
size_t config_count(const struct config *c, enum config_kind kind);
void *config_object(const struct config *c, enum config_kind kind, size_t index);
/* Whose name is USER@PLACE. */
static inline bool config_kind_is_pair(enum config_kind kind)
{
    return kind == CONFIG_KIND_account || kind == CONFIG_KIND_grant;
}
/* [user] and [admin] share an array: is this object really of this kind? */
bool config_is_kind(const struct config *c, enum config_kind kind, size_t index);

/* --- the source, as cut by source.c --- */

struct config_item {
    const struct config_option *option;
    int line;
    char *value;
};
struct config_part { /* a section as it stands in the file */
    enum config_kind kind;
    char *name; /* "" for [proxy] */
    int line;
    struct config_item *items;
    size_t n_items;
    size_t index; /* of its object in struct config */
};
struct config_source {
    const char *path;
    char *folder; /* what relative paths are relative to */
    struct config_part *parts;
    size_t n_parts;
    struct buf complaints;
    int n_complaints;
};

void config_source_read(struct config_source *s, const void *text, size_t n);
void config_source_fini(struct config_source *s);
void config_complain(struct config_source *s, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
const struct config_item *config_part_item(const struct config_part *p, const char *option);
const struct config_part *config_source_part(const struct config_source *s, enum config_kind kind, size_t index);
/* Where an option of an object was given, else where its section begins. */
int config_line(const struct config_source *s, enum config_kind kind, size_t index, const char *option);

/* --- values --- */

/* Reads text into the field of `object`. False with why: what is wrong and how to write it. */
bool config_value_read(const struct config_option *o, const char *text, const char *folder, void *object, char *why,
                       size_t why_size) MUST_USE;
/* The field as it would be written in the file; secrets as "***". */
void config_value_print(const struct config_option *o, const void *object, struct buf *out);
void config_value_free(const struct config_option *o, void *object);
/* Type, unit and range in words for people. */
void config_value_describe(const struct config_option *o, struct buf *out);

/* --- words --- */

/* The nearest of some words, for "did you mean"; feed them one by one. */
struct config_suggestion {
    const char *word; /* what was written */
    const char *best; /* NULL: nothing is near */
    size_t distance;
};
void config_suggest(struct config_suggestion *s, const char *candidate);
/* ", did you mean \"x\"?" or "". */
const char *config_suggested(const struct config_suggestion *s, char *out, size_t out_size);

/* --- what a single value cannot show --- */
void config_check(struct config_source *s, const struct config *c);

#endif
