/* The command table against what a real server says of its commands: every one has a row, with the server's arity, write flag
 * and key positions. Where the row knows better than the server, the difference is named here with its reason. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/command.h"
#include "compensate/rights.h"
#include "tests/unit/comp_server.h"

enum aspect { ARITY = 1, WRITES = 2, KEYS = 4 };

/* Whose row differs from what some server says, and why. */
static const struct difference {
    const char *name;
    enum aspect in;
    const char *because;
} differences[] = {
    {"EVAL", WRITES, "the server does not know what a script does"},
    {"EVALSHA", WRITES, "as EVAL"},
    {"FCALL", WRITES, "as EVAL"},
    {"GEORADIUS", KEYS, "STORE and STOREDIST are one word here"},
    {"GEORADIUSBYMEMBER", KEYS, "STORE and STOREDIST are one word here"},
    {"PFCOUNT", WRITES | KEYS, "it keeps its answer in the key, which nobody sees"},
    {"SORT", KEYS, "the server says it cannot say"},
    {"SORT_RO", KEYS, "what BY and GET read is nobody's to lock"},
    {"XREADGROUP", KEYS, "it changes the group, which the server's key flags call reading"},
    {"ZRANK", ARITY, "WITHSCORE came after Redis 7.0"},
    {"ZREVRANK", ARITY, "WITHSCORE came after Redis 7.0"},
    {"XREAD", KEYS, "half of what follows STREAMS"},
};

static bool differs_rightly(const char *name, enum aspect in)
{
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
        if (!strcmp(differences[i].name, name))
            return differences[i].in & in;
    return false;
}

static const redisReply *field(const redisReply *map, const char *name)
{
    for (size_t i = 0; i + 1 < map->elements; i += 2)
        if (!strcmp(map->element[i]->str, name))
            return map->element[i + 1];
    return NULL;
}

static bool has(const redisReply *list, const char *word)
{
    for (size_t i = 0; i < list->elements; i++)
        if (!strcmp(list->element[i]->str, word))
            return true;
    return false;
}

static long long number(const redisReply *map, const char *name)
{
    const redisReply *r = field(map, name);
    return r ? r->integer : -99;
}

/* One key specification in the words of commands.def; "" where it has none. */
static void say(char *out, size_t size, const redisReply *spec, bool only_reads)
{
    const redisReply *begin = field(spec, "begin_search"), *find = field(spec, "find_keys"), *flags = field(spec, "flags");
    char kind = only_reads || has(flags, "RO") ? 'r' : 'w';
    const redisReply *from = field(begin, "spec"), *how = field(find, "spec");
    *out = '\0';
    if (has(flags, "not_key") || strcmp(field(begin, "type")->str, "index"))
        return;
    long long at = number(from, "index");
    size_t n;
    if (!strcmp(field(find, "type")->str, "keynum")) {
        n = (size_t)snprintf(out, size, "%c%lld#", kind, at + number(how, "keynumidx"));
    } else if (!strcmp(field(find, "type")->str, "range")) {
        long long last = number(how, "lastkey");
        n = (size_t)snprintf(out, size, "%c%lld%s", kind, at, last < 0 ? "-" : "");
        if (last == -2)
            n += (size_t)snprintf(out + n, size - n, "^1");
        if (last > 0)
            snprintf(out + n, size - n, " %c%lld", kind, at + 1);
    } else {
        return;
    }
    const redisReply *step = field(how, "keystep") ? field(how, "keystep") : field(how, "step");
    if (step && step->integer > 1)
        snprintf(out + n, size - n, "/%lld", step->integer);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The words in one order, so that two lists of them can be compared. */
static void sort_words(char *text)
{
    char copy[128], *word[16];
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *w = strtok(copy, " "); w && n < 16; w = strtok(NULL, " "))
        word[n++] = w;
    qsort(word, n, sizeof *word, by_text);
    *text = '\0';
    for (size_t i = 0; i < n; i++)
        sprintf(text + strlen(text), "%s%s", i ? " " : "", word[i]);
}

static void compare_keys(const struct comp_command *row, const redisReply *specs, bool only_reads)
{
    char theirs[128] = "", ours[128];
    for (size_t i = 0; i < specs->elements; i++) {
        char one[40];
        say(one, sizeof one, specs->element[i], only_reads);
        snprintf(theirs + strlen(theirs), sizeof theirs - strlen(theirs), " %s", one);
    }
    snprintf(ours, sizeof ours, "%s", row->keys);
    sort_words(ours);
    sort_words(theirs);
    bool same = !strcmp(ours, theirs) || differs_rightly(row->name, KEYS);
    if (!same)
        fprintf(stderr, "\n%s: keys \"%s\", the server says \"%s\"\n", row->name, ours, theirs);
    CU_ASSERT_TRUE(same);
}

static void compare(const char *name, const redisReply *info, const struct comp_command *row)
{
    bool writes = has(info->element[2], "write"), module = has(info->element[2], "module");
    bool same = module || row->arity == info->element[1]->integer || differs_rightly(row->name, ARITY);
    if (!same)
        fprintf(stderr, "\n%s: arity %d, the server says %lld\n", name, row->arity, info->element[1]->integer);
    CU_ASSERT_TRUE(same);
    if (row->class != COMP_CLASS_READ && row->class != COMP_CLASS_WRITE)
        return;
    same = (row->class == COMP_CLASS_WRITE) == writes || differs_rightly(row->name, WRITES);
    if (!same)
        fprintf(stderr, "\n%s: the row says %s\n", name, writes ? "read, the server write" : "write, the server read");
    CU_ASSERT_TRUE(same);
    compare_keys(row, info->element[8], module && !writes); /* a module does not say what it does to its keys */
}

static unsigned check(const redisReply *info)
{
    char name[64];
    snprintf(name, sizeof name, "%s", info->element[0]->str);
    char *bar = strchr(name, '|');
    const redisReply *parts = info->element[9];
    unsigned n = 0;
    for (size_t i = 0; i < parts->elements; i++)
        n += check(parts->element[i]);
    if (n)
        return n;
    struct slice first = {(const uint8_t *)name, bar ? (size_t)(bar - name) : strlen(name)};
    struct slice second = bar ? (struct slice){(const uint8_t *)bar + 1, strlen(bar + 1)} : (struct slice){NULL, 0};
    const struct comp_command *row = comp_command_find(first, second);
    bool known = row || (bar && !strcmp(bar, "|help"));
    if (!known)
        fprintf(stderr, "\n%s has no row\n", name);
    CU_ASSERT_TRUE(known);
    if (row && !strchr(row->name, ' ') == !bar)
        compare(name, info, row);
    return 1;
}

/* --- categories, which rights go by --- */

static bool has_right(const char *word, const struct comp_command_use *use)
{
    char *words[] = {(char *)word, NULL};
    return comp_rights_to_command(words, use);
}

static bool server_says(const redisReply *categories, const char *word)
{
    for (size_t i = 0; i < categories->elements; i++)
        if (!strcmp(categories->element[i]->str, word))
            return true;
    return false;
}

/* What of XREAD waits is not the table's, PFCOUNT reads, and modules do not say which of theirs do; the rest is as the server has
 * it. */
static void compare_categories(const redisReply *info)
{
    static const char *const words[] = {"@read", "@write", "@keyspace", "@string", "@hash", "@list", "@set", "@sortedset",
                                        "@stream", "@bitmap", "@hyperloglog", "@geo", "@pubsub", "@scripting", "@blocking"};
    const char *name = info->element[0]->str;
    const struct comp_command *row =
        comp_command_find((struct slice){(const uint8_t *)name, strlen(name)}, (struct slice){NULL, 0});
    if (!row || row->class == COMP_CLASS_REFUSED)
        return;
    struct comp_command_use use = {.row = row, .class = row->class, .waits = row->timeout >= 0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        bool same = has_right(words[i], &use) == server_says(info->element[6], words[i]);
        bool by_access = !strcmp(words[i], "@read") || !strcmp(words[i], "@write");
        bool known = (!strcmp(words[i], "@blocking") && !strncmp(row->name, "XREAD", 5)) ||
                     (by_access && has(info->element[2], "module"));
        if (!same && !known)
            fprintf(stderr, "\n%s: %s", row->name, words[i]);
        CU_ASSERT_TRUE(same || known);
    }
}

static void categories_are_the_servers(void)
{
    redisReply *all = server_line("COMMAND");
    for (size_t i = 0; i < all->elements; i++)
        compare_categories(all->element[i]);
    freeReplyObject(all);
}

static void words_of_rights(void)
{
    static const char *const good[] = {"@all", "-@WRITE", "@json", "@unknown", "hset", "-XGROUP|CREATE", "xgroup", "MY.COMMAND"};
    static const char *const bad[] = {"@", "@hashes", "hsett", "XGROUP|MAKE", "", "-", "~app:*", "+get"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CU_ASSERT_TRUE(comp_rights_word(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_FALSE(comp_rights_word(bad[i]));
}

static void every_command_of_the_server_has_its_row(void)
{
    redisReply *all = server_line("COMMAND");
    unsigned n = 0;
    for (size_t i = 0; i < all->elements; i++)
        n += check(all->element[i]);
    CU_ASSERT(n > 300);
    freeReplyObject(all);
}

static void every_difference_is_about_a_row(void)
{
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        const struct difference *d = &differences[i];
        struct slice name = {(const uint8_t *)d->name, strlen(d->name)};
        CU_ASSERT_PTR_NOT_NULL(comp_command_find(name, (struct slice){NULL, 0}));
        CU_ASSERT_PTR_NOT_NULL(d->because);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every command of the server has its row", every_command_of_the_server_has_its_row},
        {"every difference is about a row", every_difference_is_about_a_row},
        {"categories are the server's", categories_are_the_servers},
        {"words of rights", words_of_rights},
        {NULL, NULL},
    };
    server_start();
    int status = unit_main("comp table", tests);
    server_stop();
    return status;
}
