/* A value between text and field, by the type of its option. Leaves agreement between options to check. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/network.h"
#include "proxy/config/secret.h"
#include "proxy/config/table.h"

enum { WORDS_MAX = 1000 };

/* What a value is read with: the row, the text, and where to say what is wrong. */
struct reading {
    const struct config_option *option;
    const char *text, *folder;
    void *field;
    char *why;
    size_t why_size;
};

static PRINTF_LIKE(2, 3) bool wrong(struct reading *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->why, r->why_size, fmt, args);
    va_end(args);
    return false;
}

/* --- text --- */

static bool keep_text(struct reading *r, const char *text)
{
    char *copy = strdup(text);
    CHECK(copy);
    *(char **)r->field = copy;
    return true;
}

static bool read_node(struct reading *r)
{
    size_t n = strspn(r->text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (r->text[n] || n > 12)
        return wrong(r, "must be %s", r->option->unit);
    return keep_text(r, r->text);
}

static char *absolute_path(const struct reading *r)
{
    struct buf path = {0};
    if (*r->text != '/')
        buf_printf(&path, "%s/", r->folder);
    buf_text(&path, r->text);
    char *copy = strdup(buf_cstr(&path));
    CHECK(copy);
    buf_fini(&path);
    return copy;
}

static bool read_address(struct reading *r)
{
    const char *colon = strchr(r->text, ':');
    if (strpbrk(r->text, " \t"))
        return wrong(r, "an address has no blanks");
    if (*r->text == '[')
        return wrong(r, "an IPv6 address stands here without brackets, the port in \"port\"");
    if (*r->text != '/' && colon && !strchr(colon + 1, ':'))
        return wrong(r, "\"%.*s\" is the address, \"%s\" belongs into \"port\"", (int)(colon - r->text), r->text,
                     colon + 1);
    return keep_text(r, r->text);
}

static bool read_secret_file(struct reading *r)
{
    char *path = absolute_path(r);
    *(char **)r->field = config_secret_read(path, r->why, r->why_size);
    free(path);
    return *(char **)r->field;
}

/* $5$salt$hash or $5$rounds=N$salt$hash, as crypt(3) writes it. */
static bool read_verifier(struct reading *r)
{
    const char *hash = strrchr(r->text, '$');
    if (strncmp(r->text, "$5$", 3) || hash < r->text + 3 || strlen(hash + 1) != 43 || strpbrk(r->text, " \t:*!"))
        return wrong(r, "must be $5$SALT$HASH, as `openssl passwd -5` makes it");
    return keep_text(r, r->text);
}

static bool read_native(struct reading *r)
{
    if (*r->text != '*' || strlen(r->text) != 41 || strspn(r->text + 1, "0123456789abcdefABCDEF") != 40)
        return wrong(r, "must be * and 40 hex digits");
    return keep_text(r, r->text);
}

/* 32 bytes in base64, of whose last character only four bits count. */
static bool read_ed25519(struct reading *r)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (strlen(r->text) != 43 || strspn(r->text, base64) != 43 || !strchr("AEIMQUYcgkosw048", r->text[42]))
        return wrong(r, "must be the 43 characters that SELECT ed25519_password('...') and xaproxy --make-verifier say");
    return keep_text(r, r->text);
}

/* --- words --- */

/* The index of the text among "a|b|c", -1. */
static int find_choice(const struct reading *r, struct config_suggestion *s, char *words)
{
    int index = 0, found = -1;
    char *rest;
    for (char *word = strtok_r(words, "|", &rest); word; word = strtok_r(NULL, "|", &rest), index++) {
        if (!strcasecmp(word, r->text))
            found = index;
        config_suggest(s, word);
    }
    return found;
}

static bool read_choice(struct reading *r)
{
    char words[128], hint[100];
    struct config_suggestion s = {.word = r->text};
    snprintf(words, sizeof words, "%s", r->option->unit);
    int index = find_choice(r, &s, words);
    if (index < 0)
        return wrong(r, "\"%.60s\" is none of %s%s", r->text, r->option->unit, config_suggested(&s, hint, sizeof hint));
    if (r->option->type == CONFIG_TYPE_CHOICE)
        return keep_text(r, r->text);
    CHECK(r->option->size == sizeof index);
    memcpy(r->field, &index, sizeof index);
    return true;
}

static void free_words(char **words)
{
    for (char **w = words; w && *w; w++)
        free(*w);
    free(words);
}

static bool is_in(char *const *words, size_t n, const char *word)
{
    while (n--)
        if (!strcmp(words[n], word))
            return true;
    return false;
}

/* Separated by blanks or commas. */
static bool read_words(struct reading *r)
{
    char *text = strdup(r->text), *rest, **words = calloc(1, sizeof *words);
    size_t n = 0;
    bool good = true;
    CHECK(text && words);
    for (char *w = strtok_r(text, " \t,", &rest); w && good; w = strtok_r(NULL, " \t,", &rest)) {
        if (n == WORDS_MAX || is_in(words, n, w)) {
            good = wrong(r, n == WORDS_MAX ? "more than 1000 words" : "\"%.60s\" stands there twice", w);
            break;
        }
        words = realloc(words, (n + 2) * sizeof *words);
        CHECK(words);
        words[n] = strdup(w);
        CHECK(words[n]);
        words[++n] = NULL;
    }
    free(text);
    if (good)
        *(char ***)r->field = words;
    else
        free_words(words);
    return good;
}

static bool read_networks(struct reading *r)
{
    struct network network;
    if (!read_words(r))
        return false;
    for (char **word = *(char ***)r->field; *word; word++)
        if (!network_read(*word, &network))
            return wrong(r, "\"%.60s\" is no network: write 10.0.0.0/8, 2001:db8::/32, an address, or unix", *word);
    return true;
}

static bool read_bool(struct reading *r)
{
    static const char *const on[] = {"on", "yes", "true", "1"}, *const off[] = {"off", "no", "false", "0"};
    for (size_t n = 0; n < sizeof on / sizeof *on; n++)
        if (!strcasecmp(r->text, on[n]) || !strcasecmp(r->text, off[n])) {
            *(bool *)r->field = !strcasecmp(r->text, on[n]);
            return true;
        }
    return wrong(r, "must be on or off");
}

/* --- numbers --- */

struct unit {
    const char *text;
    int64_t factor;
};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
static const struct unit time_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1},        {"K", 1 << 10},          {"M", 1 << 20},
                                         {"G", 1 << 30}, {"T", INT64_C(1) << 40}, {NULL, 0}};

static const struct unit *units_of(enum config_type type)
{
    return type == CONFIG_TYPE_INT ? no_units : type == CONFIG_TYPE_SIZE ? size_units : time_units;
}

static int64_t field_unit(enum config_type type)
{
    return type == CONFIG_TYPE_SECONDS ? 1000 : 1;
}

/* Digits, then perhaps a unit; zero needs none. Nothing else may follow, and nothing overflow. */
static bool read_amount(const char *text, const struct unit *units, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*text) || errno)
        return false;
    while (*end == ' ')
        end++;
    *out = 0;
    if (!*end && !n)
        return true;
    for (; units->text; units++)
        if (!strcasecmp(end, units->text))
            return !__builtin_mul_overflow(n, units->factor, out);
    return false;
}

/* In the largest unit that says it exactly. */
static void print_amount(int64_t n, const struct unit *units, struct buf *out)
{
    const struct unit *best = units;
    for (; units->text; units++)
        if (n % units->factor == 0)
            best = units;
    buf_printf(out, "%lld%s", (long long)(n / best->factor), n ? best->text : "");
}

static void print_range(const struct config_option *o, struct buf *out)
{
    print_amount(o->min * field_unit(o->type), units_of(o->type), out);
    buf_text(out, " to ");
    print_amount(o->max * field_unit(o->type), units_of(o->type), out);
}

static bool read_number(struct reading *r)
{
    const struct config_option *o = r->option;
    int64_t n;
    if (!read_amount(r->text, units_of(o->type), &n))
        return wrong(r, "\"%.60s\" is no %s", r->text,
                     o->type == CONFIG_TYPE_INT    ? "number"
                     : o->type == CONFIG_TYPE_SIZE ? "size: write 4096, 64K, 16M, 1G"
                                                   : "time: write 500ms, 10s, 5m, 8h, 1d");
    if (n % field_unit(o->type))
        return wrong(r, "whole seconds only");
    n /= field_unit(o->type);
    if (n < o->min || n > o->max) {
        struct buf range = {0};
        print_range(o, &range);
        wrong(r, "%.60s is outside of %s", r->text, buf_cstr(&range));
        buf_fini(&range);
        return false;
    }
    int narrow = (int)n;
    if (o->size == sizeof narrow)
        memcpy(r->field, &narrow, sizeof narrow);
    else
        memcpy(r->field, &n, sizeof n);
    return true;
}

static int64_t number_in(const struct config_option *o, const void *field)
{
    int narrow;
    int64_t wide;
    if (o->size == sizeof wide) {
        memcpy(&wide, field, sizeof wide);
        return wide;
    }
    memcpy(&narrow, field, sizeof narrow);
    return narrow;
}

/* --- by type --- */

static bool read_by_type(struct reading *r)
{
    switch (r->option->type) {
    case CONFIG_TYPE_STRING:
    case CONFIG_TYPE_SECRET:
        return keep_text(r, r->text);
    case CONFIG_TYPE_NODE:
        return read_node(r);
    case CONFIG_TYPE_PATH:
        *(char **)r->field = absolute_path(r);
        return true;
    case CONFIG_TYPE_ADDRESS:
        return read_address(r);
    case CONFIG_TYPE_CHOICE:
    case CONFIG_TYPE_ENUM:
        return read_choice(r);
    case CONFIG_TYPE_NETWORKS:
        return read_networks(r);
    case CONFIG_TYPE_WORDS:
        return read_words(r);
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_SECONDS:
    case CONFIG_TYPE_MILLISECONDS:
    case CONFIG_TYPE_SIZE:
        return read_number(r);
    case CONFIG_TYPE_BOOL:
        return read_bool(r);
    case CONFIG_TYPE_SECRET_FILE:
        return read_secret_file(r);
    case CONFIG_TYPE_VERIFIER:
        return read_verifier(r);
    case CONFIG_TYPE_NATIVE:
        return read_native(r);
    case CONFIG_TYPE_ED25519:
        return read_ed25519(r);
    }
    return false;
}

bool config_value_read(const struct config_option *o, const char *text, const char *folder, void *object, char *why,
                       size_t why_size)
{
    struct reading r = {o, text, folder, (char *)object + o->offset, why, why_size};
    if (!*text && o->type != CONFIG_TYPE_SECRET)
        return wrong(&r, "has no value");
    config_value_free(o, object); /* given twice: the complaint is made elsewhere */
    return read_by_type(&r);
}

void config_value_free(const struct config_option *o, void *object)
{
    void *field = (char *)object + o->offset;
    if (!config_type_is_heap(o->type))
        return;
    if (o->type == CONFIG_TYPE_WORDS || o->type == CONFIG_TYPE_NETWORKS) {
        free_words(*(char ***)field);
        *(char ***)field = NULL;
        return;
    }
    char **text = field;
    if (*text && (config_type_is_secret(o->type) || o->type == CONFIG_TYPE_SECRET_FILE))
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static void print_choice(const struct config_option *o, int index, struct buf *out)
{
    const char *word = o->unit;
    while (index--)
        word = strchr(word, '|') + 1;
    buf_append(out, word, strcspn(word, "|"));
}

static void print_words(char *const *words, struct buf *out)
{
    for (size_t n = 0; words && words[n]; n++)
        buf_printf(out, "%s%s", n ? " " : "", words[n]);
}

void config_value_print(const struct config_option *o, const void *object, struct buf *out)
{
    const void *field = (const char *)object + o->offset;
    switch (o->type) {
    case CONFIG_TYPE_BOOL:
        buf_text(out, *(const bool *)field ? "on" : "off");
        break;
    case CONFIG_TYPE_NETWORKS:
    case CONFIG_TYPE_WORDS:
        print_words(*(char *const *const *)field, out);
        break;
    case CONFIG_TYPE_ENUM:
        print_choice(o, (int)number_in(o, field), out);
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_SECONDS:
    case CONFIG_TYPE_MILLISECONDS:
    case CONFIG_TYPE_SIZE:
        print_amount(number_in(o, field) * field_unit(o->type), units_of(o->type), out);
        break;
    default:
        if (*(const char *const *)field)
            buf_text(out, config_type_is_secret(o->type) ? "***" : *(const char *const *)field);
    }
}

void config_value_describe(const struct config_option *o, struct buf *out)
{
    buf_text(out, config_type_name(o->type));
    if (strcmp(config_type_name(o->type), o->unit))
        buf_printf(out, ": %s", o->unit);
    if (o->max) {
        buf_text(out, ", ");
        print_range(o, out);
    }
}
