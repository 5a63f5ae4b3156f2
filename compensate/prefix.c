/* Commands with a prefix before their keys, and which replies show it. */
#include "compensate/prefix.h"

#include <stdio.h>
#include <string.h>

/* --- patterns ------------------------------------------------------------------------------------------------------------- */

/* The prefix stands for itself, whatever a pattern would make of it. */
static void add_escaped(struct comp_argv *out, const char *prefix)
{
    comp_argv_add(out, "", 0);
    for (; *prefix; prefix++) {
        if (strchr("*?[]^\\", *prefix))
            comp_argv_extend(out, "\\", 1);
        comp_argv_extend(out, prefix, 1);
    }
}

static bool is_sort(const struct comp_command *row)
{
    return !strncmp(row->name, "SORT", 4);
}

/* Argument i is a pattern of keys: of KEYS, behind MATCH, and behind BY and GET one with a star. */
static bool is_pattern(const struct comp_argv *command, const struct comp_command *row, size_t i)
{
    if (i == 1)
        return !strcmp(row->name, "KEYS");
    struct slice before = comp_argv_at(command, i - 1), word = comp_argv_at(command, i);
    if (!strcmp(row->name, "SCAN"))
        return i > 2 && slice_is_word(before, "MATCH");
    return i > 2 && is_sort(row) && (slice_is_word(before, "BY") || slice_is_word(before, "GET")) && memchr(word.at, '*', word.len);
}

/* --- commands ------------------------------------------------------------------------------------------------------------- */

static bool is_key(const struct comp_command_use *use, size_t i)
{
    for (unsigned k = 0; k < use->n_keys; k++)
        if (use->key[k] == i)
            return true;
    return false;
}

static void add_argument(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use, size_t i,
                         const char *prefix, bool *matched)
{
    struct slice word = comp_argv_at(command, i);
    bool pattern = i && is_pattern(command, use->row, i);
    *matched = *matched || pattern;
    if (pattern && !is_sort(use->row)) /* SORT's know the star only */
        add_escaped(out, prefix);
    else
        comp_argv_text(out, pattern || is_key(use, i) ? prefix : "");
    comp_argv_extend(out, word.at, word.len);
}

static bool is_about_others(const struct comp_command *row)
{
    static const char *const names[] = {"DBSIZE", "FT.AGGREGATE", "FT.INFO", "FT.SEARCH", "FT._LIST", "RANDOMKEY",
                                        "TS.MGET", "TS.MRANGE", "TS.MREVRANGE", "TS.QUERYINDEX"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(row->name, names[i]))
            return true;
    return false;
}

bool comp_prefix_add(struct comp_argv *command, const struct comp_command_use *use, const char *prefix, struct comp_refusal *why)
{
    struct comp_argv out = {0};
    bool matched = strcmp(use->row->name, "SCAN");
    if (is_about_others(use->row)) {
        *why = (struct comp_refusal){.code = 1235, .sqlstate = "42000"};
        snprintf(why->text, sizeof why->text, "Redis command %s cannot be used with key_prefix: it is about keys that do not begin so,"
                 " too", use->row->name);
        return false;
    }
    for (size_t i = 0; i < command->n; i++)
        add_argument(&out, command, use, i, prefix, &matched);
    if (!matched) {
        comp_argv_text(&out, "MATCH");
        add_escaped(&out, prefix);
        comp_argv_extend(&out, "*", 1);
    }
    comp_argv_fini(command);
    *command = out;
    return true;
}

/* --- replies -------------------------------------------------------------------------------------------------------------- */

enum comp_names comp_prefix_names(const struct comp_command *row)
{
    static const struct {
        const char *name;
        enum comp_names where;
    } rows[] = {
        {"BLMPOP", COMP_NAMES_FIRST},   {"BLPOP", COMP_NAMES_FIRST},    {"BRPOP", COMP_NAMES_FIRST}, {"BZMPOP", COMP_NAMES_FIRST},
        {"BZPOPMAX", COMP_NAMES_FIRST}, {"BZPOPMIN", COMP_NAMES_FIRST}, {"KEYS", COMP_NAMES_ALL},    {"LMPOP", COMP_NAMES_FIRST},
        {"SCAN", COMP_NAMES_PAGE},      {"XREAD", COMP_NAMES_HEADS},    {"XREADGROUP", COMP_NAMES_HEADS},
        {"ZMPOP", COMP_NAMES_FIRST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, row->name))
            return rows[i].where;
    return COMP_NAMES_NONE;
}
