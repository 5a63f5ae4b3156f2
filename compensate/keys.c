/* The little language of key positions: a letter for written or read, then how to find them. */
#include "compensate/keys.h"

#include <stdlib.h>
#include <string.h>

#include "compensate/streams.h"

struct finder {
    const struct comp_argv *command;
    struct comp_command_use *use;
    char kind; /* 'w' or 'r': this pass takes these */
};

static enum comp_keys_status take(struct finder *f, size_t arg)
{
    if (arg >= f->command->n)
        return COMP_KEYS_MALFORMED;
    if (f->use->n_keys == COMP_MAX_KEYS)
        return COMP_KEYS_TOO_MANY;
    f->use->key[f->use->n_keys++] = (uint16_t)arg;
    return COMP_KEYS_FOUND;
}

static enum comp_keys_status take_range(struct finder *f, size_t first, size_t end, size_t step)
{
    enum comp_keys_status status = COMP_KEYS_FOUND;
    for (size_t i = first; i < end && status == COMP_KEYS_FOUND; i += step)
        status = take(f, i);
    return status;
}

/* Decimal digits only, as Redis reads a count; 0 = not a number or none. */
static size_t count_at(const struct comp_argv *command, size_t arg)
{
    if (arg >= command->n)
        return 0;
    struct slice s = comp_argv_at(command, arg);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9' || n > COMP_MAX_ARGS)
            return 0;
        n = n * 10 + (size_t)(s.at[i] - '0');
    }
    return n;
}

static enum comp_keys_status take_counted(struct finder *f, size_t arg, size_t step)
{
    size_t n = count_at(f->command, arg);
    bool may_be_none = f->kind == 'r' || comp_command_is_script(f->use->row); /* else the server says that it wants some */
    if (!n && may_be_none && arg < f->command->n && slice_is(comp_argv_at(f->command, arg), "0"))
        return COMP_KEYS_FOUND;
    if (!n || arg + n * step >= f->command->n)
        return COMP_KEYS_MALFORMED;
    return take_range(f, arg + 1, arg + 1 + n * step, step);
}

static enum comp_keys_status take_streams(struct finder *f)
{
    struct comp_streams streams;
    if (!comp_streams_find(f->command, &streams))
        return COMP_KEYS_MALFORMED;
    return take_range(f, streams.first, streams.first + streams.n, 1);
}

/* Options begin behind the key at the earliest; a pattern or member that reads STORE only locks a key too many. */
static enum comp_keys_status take_stored(struct finder *f)
{
    enum comp_keys_status status = COMP_KEYS_FOUND;
    for (size_t i = 2; i + 1 < f->command->n && status == COMP_KEYS_FOUND; i++) {
        struct slice s = comp_argv_at(f->command, i);
        if (slice_is_word(s, "STORE") || slice_is_word(s, "STOREDIST"))
            status = take(f, i + 1);
    }
    return status;
}

static enum comp_keys_status take_word(struct finder *f, const char *word)
{
    if (word[1] == 'S')
        return take_streams(f);
    if (word[1] == 'T')
        return take_stored(f);
    char *end;
    size_t first = strtoul(word + 1, &end, 10);
    char how = *end;
    const char *slash = strchr(end, '/'), *space = strchr(end, ' ');
    size_t step = slash && (!space || slash < space) ? strtoul(slash + 1, NULL, 10) : 1;
    size_t without = how == '-' && end[1] == '^';
    if (how == '#')
        return take_counted(f, first, step);
    return how == '-' ? take_range(f, first, f->command->n - without, step) : take(f, first);
}

static enum comp_keys_status take_kind(struct finder *f, const char *words)
{
    enum comp_keys_status status = COMP_KEYS_FOUND;
    for (const char *word = words; word && *word && status == COMP_KEYS_FOUND;) {
        if (*word == f->kind)
            status = take_word(f, word);
        word = strchr(word, ' ');
        if (word)
            word++;
    }
    return status;
}

enum comp_keys_status comp_keys_find(const char *words, const struct comp_argv *command, struct comp_command_use *use)
{
    struct finder f = {command, use, 'w'};
    use->n_keys = 0;
    enum comp_keys_status status = take_kind(&f, words);
    use->n_written = use->n_keys;
    f.kind = 'r';
    return status == COMP_KEYS_FOUND ? take_kind(&f, words) : status;
}
