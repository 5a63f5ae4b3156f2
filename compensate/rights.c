/* Categories of commands, and rights by them. The categories are Redis' own, of its ACL;
 * tests/unit/test_comp_table.c compares. */
#include "compensate/rights.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The first that fits counts; * = whatever follows. Whether a command reads or writes its row says. */
static const struct {
    const char *names, *categories;
} rules[] = {
    {"APPEND", "string"},
    {"BF.*", "bloom"},
    {"BIT*", "bitmap"},
    {"BZ*", "sortedset"},
    {"BL*", "list"},
    {"BR*", "list"},
    {"CF.*", "cuckoo"},
    {"CMS.*", "cms"},
    {"COMMAND", "connection"},
    {"COPY", "keyspace"},
    {"DBSIZE", "keyspace"},
    {"DECR*", "string"},
    {"DEL", "keyspace"},
    {"DELEX", "string"},
    {"DELIFEQ", "string"},
    {"DIGEST", "string"},
    {"DUMP", "keyspace"},
    {"ECHO", "connection"},
    {"EVAL*", "scripting"},
    {"EXISTS", "keyspace"},
    {"EXPIRE*", "keyspace"},
    {"FCALL*", "scripting"},
    {"FT.*", "search"},
    {"GEO*", "geo"},
    {"GETBIT", "bitmap"},
    {"GET*", "string"},
    {"H*", "hash"},
    {"INCR*", "string"},
    {"INFO", "dangerous"},
    {"JSON.*", "json"},
    {"KEYS", "keyspace dangerous"},
    {"LASTSAVE", "admin dangerous"},
    {"LCS", "string"},
    {"LOLWUT", ""},
    {"L*", "list"},
    {"MGET", "string"},
    {"MSET*", "string"},
    {"OBJECT*", "keyspace"},
    {"PERSIST", "keyspace"},
    {"PEXPIRE*", "keyspace"},
    {"PF*", "hyperloglog"},
    {"PING", "connection"},
    {"PSETEX", "string"},
    {"PTTL", "keyspace"},
    {"PUBLISH", "pubsub"},
    {"RANDOMKEY", "keyspace"},
    {"RENAME*", "keyspace"},
    {"RESTORE", "keyspace dangerous"},
    {"ROLE", "admin dangerous"},
    {"RP*", "list"},
    {"SCAN", "keyspace"},
    {"SCRIPT*", "scripting"},
    {"SETBIT", "bitmap"},
    {"SET*", "string"},
    {"SORT*", "set sortedset list dangerous"},
    {"SPUBLISH", "pubsub"},
    {"STRLEN", "string"},
    {"SUBSTR", "string"},
    {"S*", "set"},
    {"TDIGEST.*", "tdigest"},
    {"TIME", "connection"},
    {"TOPK.*", "topk"},
    {"TOUCH", "keyspace"},
    {"TS.*", "timeseries"},
    {"TTL", "keyspace"},
    {"TYPE", "keyspace"},
    {"UNLINK", "keyspace"},
    {"V*", "vectorset"},
    {"XAINCR", "string hash"},
    {"XALOCK", "keyspace"},
    {"X*", "stream"},
    {"Z*", "sortedset"},
    {"*", "unknown"},
};
#define N_RULES (sizeof rules / sizeof *rules)

/* What a command is by what it does, whatever it is about. */
static const char *const everywhere[] = {"all", "blocking", "read", "write"};

static bool fits(const char *names, const char *name)
{
    size_t n = strcspn(names, "*");
    return names[n] ? !strncmp(names, name, n) : !strcmp(names, name);
}

/* A word of a text of words. */
static bool has_word(const char *words, const char *word, size_t n)
{
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        if (len == n && !strncasecmp(at, word, n))
            return true;
        at += len;
    }
    return false;
}

static const char *categories_of(const struct comp_command *row)
{
    size_t i = 0;
    while (!fits(rules[i].names, row->name))
        i++;
    return rules[i].categories;
}

/* Neither reading nor writing, as Redis has it: what a script does is not known, messages are no data. */
static bool is_about_data(const char *categories)
{
    static const char no_data[] = "admin connection dangerous pubsub scripting";
    return !has_word(no_data, categories, strcspn(categories, " "));
}

static bool has_category(const struct comp_command_use *use, const char *category)
{
    const char *categories = categories_of(use->row);
    if (!strcasecmp(category, "all"))
        return true;
    if (!strcasecmp(category, "blocking"))
        return use->waits;
    if (!strcasecmp(category, "read"))
        return use->class == COMP_CLASS_READ && is_about_data(categories);
    if (!strcasecmp(category, "write"))
        return use->class != COMP_CLASS_READ && is_about_data(categories);
    return has_word(categories, category, strlen(category));
}

/* XGROUP|CREATE is "XGROUP CREATE", and XGROUP all of its parts. */
static bool is_named(const char *name, const char *word)
{
    for (; *word && *name; word++, name++)
        if (toupper((unsigned char)*word) != *name && !(*word == '|' && *name == ' '))
            return false;
    return !*word && (!*name || *name == ' ');
}

static bool is_category(const char *word)
{
    for (size_t i = 0; i < sizeof everywhere / sizeof *everywhere; i++)
        if (!strcasecmp(everywhere[i], word))
            return true;
    for (size_t i = 0; i < N_RULES; i++)
        if (has_word(rules[i].categories, word, strlen(word)))
            return true;
    return false;
}

bool comp_rights_word(const char *word)
{
    word += *word == '-';
    if (*word == '@')
        return is_category(word + 1);
    for (size_t i = 0; comp_command_row(i); i++)
        if (is_named(comp_command_row(i)->name, word))
            return true;
    return strchr(word, '.');
}

bool comp_rights_to_command(char *const *words, const struct comp_command_use *use)
{
    bool allowed = false;
    for (; *words; words++) {
        bool minus = **words == '-';
        const char *word = *words + minus;
        if (*word == '@' ? has_category(use, word + 1) : is_named(use->row->name, word))
            allowed = !minus;
    }
    return allowed;
}

/* --- keys ----------------------------------------------------------------------------------------------------------------- */

static bool has_prefix(char *const *prefixes, struct slice key, bool pattern)
{
    for (; *prefixes; prefixes++) {
        size_t n = strlen(*prefixes);
        if (key.len >= n && !memcmp(key.at, *prefixes, n) && !(pattern && strpbrk(*prefixes, "*?[\\")))
            return true;
    }
    return false;
}

/* The words that stand behind one of these two have a prefix, too, and there is one, unless that is not needed: then only those
 * with a star. */
static bool patterns_fit(char *const *prefixes, const struct comp_argv *command, const char *behind, const char *or_behind,
                         bool needed)
{
    bool all = needed, found = false;
    for (size_t i = 1; i + 1 < command->n; i++) {
        struct slice word = comp_argv_at(command, i), pattern = comp_argv_at(command, i + 1);
        if (!slice_is_word(word, behind) && !slice_is_word(word, or_behind))
            continue;
        if (!has_prefix(prefixes, pattern, true) && (all || memchr(pattern.at, '*', pattern.len)))
            return false;
        found = true;
    }
    return found || !needed;
}

bool comp_rights_to_keys(char *const *prefixes, const struct comp_argv *command, const struct comp_command_use *use)
{
    const char *name = use->row->name;
    for (unsigned i = 0; i < use->n_keys; i++)
        if (!has_prefix(prefixes, comp_argv_at(command, use->key[i]), false))
            return false;
    if (!strcmp(name, "KEYS"))
        return has_prefix(prefixes, comp_argv_at(command, 1), true);
    if (!strcmp(name, "SCAN"))
        return patterns_fit(prefixes, command, "MATCH", "MATCH", true);
    if (!strncmp(name, "SORT", 4))
        return patterns_fit(prefixes, command, "BY", "GET", false);
    return use->n_keys || !is_about_data(categories_of(use->row));
}
