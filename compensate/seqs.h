/* The numbers of the writes of one transaction that were acknowledged: an exact set, since a vote asks for exactly these. */
#ifndef COMPENSATE_SEQS_H
#define COMPENSATE_SEQS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct comp_seqs {
    uint64_t *word; /* bit n % 64 of word n / 64; heap, or NULL */
    size_t n_words;
    uint32_t count;
};
/* All-zero is the empty set. */
void comp_seqs_add(struct comp_seqs *s, uint32_t seq);
bool comp_seqs_has(const struct comp_seqs *s, uint32_t seq);
void comp_seqs_drop_above(struct comp_seqs *s, uint32_t mark); /* forgets every number > mark */
void comp_seqs_text(const struct comp_seqs *s, struct buf *out); /* appends "1-5 7 9-12" */
void comp_seqs_fini(struct comp_seqs *s);

#endif
