/* Arguments of XREAD and XREADGROUP. */
#include "compensate/streams.h"

#include <string.h>

static size_t option_words(struct slice word)
{
    if (slice_is_word(word, "GROUP"))
        return 3; /* names that may read BLOCK or STREAMS */
    return slice_is_word(word, "BLOCK") || slice_is_word(word, "COUNT") ? 2 : 1;
}

bool comp_streams_find(const struct comp_argv *command, struct comp_streams *out)
{
    *out = (struct comp_streams){0};
    for (size_t i = 1; i < command->n; i += option_words(comp_argv_at(command, i))) {
        size_t rest = command->n - i - 1;
        if (slice_is_word(comp_argv_at(command, i), "BLOCK") && rest)
            out->block = i + 1;
        if (!slice_is_word(comp_argv_at(command, i), "STREAMS"))
            continue;
        out->first = i + 1;
        out->n = rest / 2;
        return rest && rest % 2 == 0;
    }
    return false;
}

const char *comp_streams_timeout(const struct comp_argv *command, size_t block, int64_t *out_ms)
{
    struct slice s = comp_argv_at(command, block);
    *out_ms = 0;
    bool negative = s.len > 1 && *s.at == '-';
    size_t i = negative;
    for (; i < s.len && i < 16 && s.at[i] >= '0' && s.at[i] <= '9'; i++)
        *out_ms = 10 * *out_ms + (s.at[i] - '0');
    if (!s.len || i < s.len)
        return "timeout is not an integer or out of range";
    return negative ? "timeout is negative" : NULL;
}

static size_t split(struct slice text, struct comp_argv *out)
{
    const char *at = (const char *)text.at;
    size_t n = 0;
    for (size_t i = 0; i < text.len; n++) {
        const char *space = memchr(at + i, ' ', text.len - i);
        size_t len = space ? (size_t)(space - at) - i : text.len - i;
        comp_argv_add(out, at + i, len);
        i += len + 1;
    }
    return n;
}

void comp_streams_resume(struct comp_argv *command, struct slice empty)
{
    struct comp_streams streams;
    struct comp_argv words = {0}, resumed = {0};
    size_t n = split(empty, &words); /* XAEMPTY id id ... */
    if (comp_streams_find(command, &streams) && n == 1 + streams.n) {
        for (size_t i = 0; i < streams.first + streams.n; i++)
            comp_argv_add(&resumed, comp_argv_at(command, i).at, comp_argv_at(command, i).len);
        for (size_t i = 1; i < n; i++)
            comp_argv_add(&resumed, comp_argv_at(&words, i).at, comp_argv_at(&words, i).len);
        comp_argv_fini(command);
        *command = resumed;
    }
    comp_argv_fini(&words);
}
