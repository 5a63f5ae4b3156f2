/* The set as a bitmap: seqs are small and dense. */
#include "compensate/seqs.h"

#include <stdlib.h>
#include <string.h>

void comp_seqs_add(struct comp_seqs *s, uint32_t seq)
{
    size_t need = (size_t)seq / 64 + 1;
    if (need > s->n_words) {
        size_t n = s->n_words * 2 > need ? s->n_words * 2 : need;
        uint64_t *grown = realloc(s->word, n * sizeof *grown);
        CHECK(grown);
        memset(grown + s->n_words, 0, (n - s->n_words) * sizeof *grown);
        s->word = grown;
        s->n_words = n;
    }
    s->count += !comp_seqs_has(s, seq);
    s->word[seq / 64] |= UINT64_C(1) << seq % 64;
}

bool comp_seqs_has(const struct comp_seqs *s, uint32_t seq)
{
    return seq / 64 < s->n_words && s->word[seq / 64] >> seq % 64 & 1;
}

void comp_seqs_drop_above(struct comp_seqs *s, uint32_t mark)
{
    for (size_t i = (size_t)mark / 64; i < s->n_words; i++) {
        unsigned kept = i == mark / 64 ? mark % 64 + 1 : 0;
        uint64_t mask = kept == 64 ? ~UINT64_C(0) : (UINT64_C(1) << kept) - 1;
        s->count -= (uint32_t)__builtin_popcountll(s->word[i] & ~mask);
        s->word[i] &= mask;
    }
}

static uint32_t run_end(const struct comp_seqs *s, uint32_t from)
{
    while (comp_seqs_has(s, from + 1))
        from++;
    return from;
}

void comp_seqs_text(const struct comp_seqs *s, struct buf *out)
{
    const char *space = "";
    for (uint32_t seq = 0; seq < s->n_words * 64; seq++) {
        if (!comp_seqs_has(s, seq))
            continue;
        uint32_t end = run_end(s, seq);
        if (end > seq)
            buf_printf(out, "%s%u-%u", space, seq, end);
        else
            buf_printf(out, "%s%u", space, seq);
        space = " ";
        seq = end;
    }
}

void comp_seqs_fini(struct comp_seqs *s)
{
    free(s->word);
    *s = (struct comp_seqs){0};
}
