/* Cuts the text into sections and options: lines, comments, brackets, equals signs, and words that the tables do not
 * know. Leaves the meaning of values to value, their agreement to check. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cursor.h"
#include "proxy/config/table.h"

enum { LINE_MAX_BYTES = 8192, LINES_MAX = 100000, PARTS_MAX = 2000, COMPLAINTS_MAX = 100 };

void config_complain(struct config_source *s, int line, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (++s->n_complaints > COMPLAINTS_MAX)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '?'; /* the text quotes a file that may hold anything */
    buf_printf(&s->complaints, "%s:%d: %s\n", s->path, line, text);
    if (s->n_complaints == COMPLAINTS_MAX)
        buf_printf(&s->complaints, "%s: more errors are not shown\n", s->path);
}

const struct config_item *config_part_item(const struct config_part *p, const char *option)
{
    for (size_t n = 0; n < p->n_items; n++)
        if (!strcmp(p->items[n].option->name, option))
            return &p->items[n];
    return NULL;
}

const struct config_part *config_source_part(const struct config_source *s, enum config_kind kind, size_t index)
{
    for (size_t n = 0; n < s->n_parts; n++)
        if (s->parts[n].kind == kind && s->parts[n].index == index)
            return &s->parts[n];
    return NULL;
}

int config_line(const struct config_source *s, enum config_kind kind, size_t index, const char *option)
{
    const struct config_part *p = config_source_part(s, kind, index);
    const struct config_item *item = p && option ? config_part_item(p, option) : NULL;
    return item ? item->line : p ? p->line : 1;
}

/* --- one line --- */

struct reader {
    struct config_source *source;
    int line;
    bool in_section; /* of a known kind: else its options are passed over, one complaint is enough */
};

static struct slice trimmed(struct slice s)
{
    while (s.len && isspace(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && isspace(s.at[s.len - 1]))
        s.len--;
    return s;
}

static bool find_kind(struct slice word, enum config_kind *kind)
{
    for (*kind = 0; *kind < CONFIG_KINDS; ++*kind)
        if (slice_is(word, config_sections[*kind].word))
            return true;
    return false;
}

static void complain_of_section(struct reader *r, struct slice word)
{
    char hint[100], *text = slice_dup(word);
    struct config_suggestion s = {.word = text};
    for (enum config_kind kind = 0; kind < CONFIG_KINDS; kind++)
        config_suggest(&s, config_sections[kind].word);
    config_complain(r->source, r->line, "unknown section [%.80s]%s", text, config_suggested(&s, hint, sizeof hint));
    free(text);
}

static bool name_is_plain(const char *name)
{
    return strlen(name) <= 32 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(name);
}

static void check_name(struct reader *r, const struct config_part *p)
{
    const char *word = config_sections[p->kind].word, *at = strrchr(p->name, '@');
    bool free_text = p->kind == CONFIG_KIND_user || p->kind == CONFIG_KIND_admin || config_kind_is_pair(p->kind);
    if (p->kind == CONFIG_KIND_proxy) {
        if (*p->name)
            config_complain(r->source, r->line, "[proxy] takes no name");
    } else if (!*p->name) {
        config_complain(r->source, r->line, "this section needs a name: %s", config_sections[p->kind].help);
    } else if (config_kind_is_pair(p->kind) && (!at || at == p->name || !at[1])) {
        config_complain(r->source, r->line, "[%s %.80s] must say [%s USER@%s]", word, p->name, word,
                        p->kind == CONFIG_KIND_account ? "BACKEND" : "REDIS");
    } else if (free_text ? strlen(p->name) > CONFIG_USER_MAX : !name_is_plain(p->name)) {
        config_complain(r->source, r->line, "[%s %.80s]: a name is %s", word, p->name,
                        free_text ? "at most 128 bytes" : "1 to 32 of A-Z a-z 0-9 _ -");
    }
}

/* Resources become schema names, which SQL may write either way; people should not have to tell "a" from "A" either. */
static bool same_name(enum config_kind kind, const char *a, const char *b)
{
    bool exact = kind == CONFIG_KIND_user || kind == CONFIG_KIND_admin || config_kind_is_pair(kind);
    return exact ? !strcmp(a, b) : !strcasecmp(a, b);
}

static void check_not_twice(struct reader *r, const struct config_part *p)
{
    for (const struct config_part *q = r->source->parts; q < p; q++)
        if (q->kind == p->kind && same_name(p->kind, q->name, p->name)) {
            config_complain(r->source, r->line, "[%s%s%s] a second time; the first is on line %d",
                            config_sections[p->kind].word, *p->name ? " " : "", p->name, q->line);
            return;
        }
}

static void read_section(struct reader *r, struct slice inside)
{
    struct config_source *s = r->source;
    struct slice word = trimmed(inside);
    enum config_kind kind;
    for (word.len = 0; word.len < inside.len - (size_t)(word.at - inside.at) && !isspace(word.at[word.len]);)
        word.len++;
    r->in_section = find_kind(word, &kind);
    if (!r->in_section) {
        complain_of_section(r, word);
        return;
    }
    struct slice rest = {word.at + word.len, (size_t)(inside.at + inside.len - word.at) - word.len};
    s->parts = realloc(s->parts, (s->n_parts + 1) * sizeof *s->parts);
    CHECK(s->parts);
    struct config_part *p = &s->parts[s->n_parts++];
    *p = (struct config_part){.kind = kind, .name = slice_dup(trimmed(rest)), .line = r->line, .index = SIZE_MAX};
    check_name(r, p);
    check_not_twice(r, p);
}

static const struct config_option *find_option(enum config_kind kind, struct slice key)
{
    CONFIG_FOR_OPTION(o, kind)
        if (slice_is(key, o->name))
            return o;
    return NULL;
}

static void complain_of_option(struct reader *r, enum config_kind kind, struct slice key)
{
    char hint[100], *text = slice_dup(key);
    const char *elsewhere = NULL;
    struct config_suggestion s = {.word = text};
    CONFIG_FOR_OPTION(o, kind)
        config_suggest(&s, o->name);
    for (enum config_kind other = 0; other < CONFIG_KINDS; other++)
        if (find_option(other, key))
            elsewhere = config_sections[other].word;
    config_suggested(&s, hint, sizeof hint);
    if (!s.best && elsewhere)
        snprintf(hint, sizeof hint, "; it belongs to [%s]", elsewhere);
    config_complain(r->source, r->line, "[%s] has no option \"%.80s\"%s", config_sections[kind].word, text, hint);
    free(text);
}

static void check_item_not_twice(struct reader *r, const struct config_part *p, const struct config_option *o)
{
    for (size_t n = 0; n < p->n_items; n++) {
        const struct config_item *item = &p->items[n];
        if (item->option == o)
            config_complain(r->source, r->line, "\"%s\" a second time; the first is on line %d", o->name, item->line);
        else if (item->option->offset == o->offset)
            config_complain(r->source, r->line, "\"%s\" and \"%s\" (line %d) exclude each other", o->name,
                            item->option->name, item->line);
    }
}

/* Behind a blank # begins a comment, but not in a password: there it may well be meant. */
static struct slice without_comment(struct slice v)
{
    bool quoted = v.len && v.at[0] == '"';
    for (size_t n = 0; n < v.len; n++) {
        if (quoted && n && v.at[n] == '"')
            quoted = false;
        else if (!quoted && v.at[n] == '#' && (!n || isspace(v.at[n - 1])))
            return trimmed((struct slice){v.at, n});
    }
    return v;
}

/* A value in double quotes keeps its blanks, and its #. */
static struct slice unquoted(struct slice v)
{
    if (v.len >= 2 && v.at[0] == '"' && v.at[v.len - 1] == '"')
        return (struct slice){v.at + 1, v.len - 2};
    return v;
}

static void read_item(struct reader *r, struct slice key, struct slice value)
{
    struct config_part *p = &r->source->parts[r->source->n_parts - 1];
    const struct config_option *o = find_option(p->kind, key);
    if (!o) {
        complain_of_option(r, p->kind, key);
        return;
    }
    if (o->type != CONFIG_TYPE_SECRET)
        value = without_comment(value);
    check_item_not_twice(r, p, o);
    p->items = realloc(p->items, (p->n_items + 1) * sizeof *p->items);
    CHECK(p->items);
    p->items[p->n_items++] = (struct config_item){o, r->line, slice_dup(unquoted(value))};
}

/* "[what stands here]", perhaps a comment behind it. */
static bool is_section(struct slice line, struct slice *inside)
{
    const uint8_t *end = memchr(line.at, ']', line.len);
    if (!end)
        return false;
    *inside = (struct slice){line.at + 1, (size_t)(end - line.at) - 1};
    struct slice rest = trimmed((struct slice){end + 1, line.len - (size_t)(end + 1 - line.at)});
    return !rest.len || rest.at[0] == '#';
}

static bool is_text(struct slice line)
{
    for (size_t n = 0; n < line.len; n++)
        if (iscntrl(line.at[n]) && line.at[n] != '\t')
            return false;
    return true;
}

static void read_line(struct reader *r, struct slice line)
{
    const uint8_t *equals;
    struct slice inside;
    line = trimmed(line);
    if (!line.len || line.at[0] == '#' || line.at[0] == ';')
        return;
    if (line.len > LINE_MAX_BYTES)
        config_complain(r->source, r->line, "longer than %d bytes", LINE_MAX_BYTES);
    else if (!is_text(line))
        config_complain(r->source, r->line, "control characters: this is no configuration file");
    else if (line.at[0] == '[' && is_section(line, &inside))
        read_section(r, inside);
    else if (line.at[0] == '[')
        config_complain(r->source, r->line, "a section ends with ]");
    else if (!(equals = memchr(line.at, '=', line.len)))
        config_complain(r->source, r->line, "neither [section] nor option = value");
    else if (r->in_section)
        read_item(r, trimmed((struct slice){line.at, (size_t)(equals - line.at)}),
                  trimmed((struct slice){equals + 1, line.len - (size_t)(equals + 1 - line.at)}));
    else if (!r->source->n_parts && !r->source->n_complaints)
        config_complain(r->source, r->line, "an option before the first [section]");
}

/* --- the whole --- */

static struct slice next_line(struct cursor *c)
{
    const uint8_t *end = memchr(c->at, '\n', cursor_left(c));
    struct slice line = cursor_bytes(c, end ? (size_t)(end - c->at) : cursor_left(c));
    if (end)
        cursor_skip(c, 1);
    return line;
}

static void skip_byte_order_mark(struct cursor *c)
{
    if (cursor_left(c) >= 3 && !memcmp(c->at, "\xef\xbb\xbf", 3))
        cursor_skip(c, 3);
}

void config_source_read(struct config_source *s, const void *text, size_t n)
{
    struct cursor c = cursor_make(text, n);
    struct reader r = {.source = s};
    skip_byte_order_mark(&c);
    while (cursor_left(&c)) {
        r.line++;
        read_line(&r, next_line(&c));
        if (s->n_complaints > COMPLAINTS_MAX)
            return; /* nobody reads further */
        if (r.line >= LINES_MAX || s->n_parts >= PARTS_MAX) {
            config_complain(s, r.line, "too long: %d lines and %d sections are the limit", LINES_MAX, PARTS_MAX);
            return;
        }
    }
}

void config_source_fini(struct config_source *s)
{
    for (size_t n = 0; n < s->n_parts; n++) {
        for (size_t m = 0; m < s->parts[n].n_items; m++) {
            char *value = s->parts[n].items[m].value;
            explicit_bzero(value, strlen(value)); /* it may be a password */
            free(value);
        }
        free(s->parts[n].items);
        free(s->parts[n].name);
    }
    free(s->parts);
    free(s->folder);
    buf_fini(&s->complaints);
}
