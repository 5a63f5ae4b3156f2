/* Argument lists of the library's functions: the order of KEYS and ARGV is said once here and once in library/. */
#include "compensate/calls.h"

#include <inttypes.h>
#include <string.h>

#include "compensate/library_text.h"
#include "compensate/slot.h"

/* Counts incompatible changes of the library; also in the first line of library/common.lua and at the end of upkeep.lua. */
#define FUNCTION(name) "xa1_" name

static void add_slice(struct comp_argv *out, struct slice s)
{
    comp_argv_add(out, s.at, s.len);
}

/* The control hash, the command's keys (where it is about a command) and, in a cluster, a key that is never there. While a slot
 * moves to another node, Redis answers a call that names a missing key with TRYAGAIN, on both nodes: so nothing of ours runs on
 * half of a slot, where a handler or an inverse would take keys that are elsewhere for deleted ones. */
static void begin_keys(struct comp_argv *out, const char *function, const struct comp_control *control, size_t n_keys)
{
    CHECK(out->n == 0);
    comp_argv_text(out, "FCALL");
    comp_argv_text(out, function);
    comp_argv_number(out, (int64_t)n_keys + 1 + (*control->absent != '\0'));
    comp_argv_text(out, control->key);
}

static void end_keys(struct comp_argv *out, const struct comp_control *control)
{
    if (*control->absent)
        comp_argv_text(out, control->absent);
}

static void begin(struct comp_argv *out, const char *function, uint16_t slot, const struct comp_argv *command,
                  const struct comp_command_use *use)
{
    struct comp_control control;
    unsigned n_keys = use ? use->n_keys : 0;
    comp_control_of_slot(&control, slot);
    begin_keys(out, function, &control, n_keys);
    for (unsigned i = 0; i < n_keys; i++)
        add_slice(out, comp_argv_at(command, use->key[i]));
    end_keys(out, &control);
}

/* The name in the table's upper case, since the handlers compare it; a container's second word stays an argument. */
static void add_name(struct comp_argv *out, const struct comp_command *row)
{
    comp_argv_add(out, row->name, strcspn(row->name, " "));
}

static void add_command(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use)
{
    add_name(out, use->row);
    for (size_t i = 1; i < command->n; i++)
        add_slice(out, comp_argv_at(command, i));
}

/* In one word, which the library reads once for all writes alike: each word of a call costs about as much as a field of the hash. */
static void add_terms(struct comp_argv *out, const struct comp_origin *who, const struct comp_limits *limits,
                      const struct comp_command_use *use)
{
    struct buf terms = {0};
    buf_printf(&terms, "%" PRIu64 " %u %s %" PRId64 " %" PRId64 " %s", who->epoch, use->n_written, use->row->handler,
               (int64_t)limits->image_max, (int64_t)limits->image_max_bytes, who->node);
    comp_argv_add(out, buf_at(&terms), buf_len(&terms));
    buf_fini(&terms);
}

void comp_call_do(struct comp_argv *out, const struct comp_origin *who, uint32_t seq, const struct comp_limits *limits,
                  const struct comp_argv *command, const struct comp_command_use *use)
{
    CHECK(use->class == COMP_CLASS_WRITE && seq > 0);
    begin(out, FUNCTION("do"), who->slot, command, use);
    comp_argv_text(out, who->gtrid);
    comp_argv_number(out, seq);
    add_terms(out, who, limits, use);
    add_command(out, command, use);
}

/* Commands that only free memory must work without any left. */
static bool frees(const char *handler)
{
    static const char *const handlers[] = {"del",  "hdel",      "srem", "spop", "zrem", "zpop",
                                           "mpop", "zremrange", "lpop", "lrem", "ltrim"};
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (!strcmp(handler, handlers[i]))
            return true;
    return false;
}

void comp_call_run(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use)
{
    CHECK(use->class == COMP_CLASS_WRITE);
    begin(out, frees(use->row->handler) ? FUNCTION("run_freeing") : FUNCTION("run"), use->slot, command, use);
    comp_argv_text(out, use->row->handler);
    add_command(out, command, use);
}

static void add_words(struct comp_argv *out, const struct comp_argv *words, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        add_slice(out, comp_argv_at(words, i));
}

static void add_part(struct comp_argv *out, const struct comp_series *series, const struct comp_series_part *part)
{
    comp_argv_number(out, (int64_t)part->n);
    comp_argv_text(out, part->writes ? part->row->handler : "");
    if (part->row)
        add_name(out, part->row);
    else
        add_words(out, &series->words, part->first, 1);
    add_words(out, &series->words, part->first + 1, part->n - 1);
}

void comp_call_series(struct comp_argv *out, uint16_t slot, const struct comp_series *series)
{
    struct comp_control control;
    bool freeing = true;
    for (size_t i = 0; i < series->n; i++)
        freeing = freeing && (!series->part[i].writes || frees(series->part[i].row->handler));
    comp_control_of_slot(&control, slot);
    begin_keys(out, freeing ? FUNCTION("series_freeing") : FUNCTION("series"), &control, series->written.n + series->read.n);
    add_words(out, &series->written, 0, series->written.n);
    add_words(out, &series->read, 0, series->read.n);
    end_keys(out, &control);
    for (size_t i = 0; i < series->n; i++)
        add_part(out, series, &series->part[i]);
}

void comp_call_pipeline(struct comp_argv *out, uint16_t slot, const struct comp_pipeline *pipeline)
{
    struct comp_control control;
    bool freeing = true;
    for (size_t i = 0; i < pipeline->n; i++)
        freeing = freeing && (!pipeline->part[i].writes || frees(pipeline->part[i].row->handler));
    comp_control_of_slot(&control, slot);
    begin_keys(out, freeing ? FUNCTION("pipeline_freeing") : FUNCTION("pipeline"), &control,
               pipeline->looked.n + pipeline->others.n);
    add_words(out, &pipeline->looked, 0, pipeline->looked.n);
    add_words(out, &pipeline->others, 0, pipeline->others.n);
    end_keys(out, &control);
    comp_argv_number(out, (int64_t)pipeline->looked.n);
    for (size_t i = 0; i < pipeline->n; i++) {
        const struct comp_pipeline_part *part = &pipeline->part[i];
        comp_argv_number(out, (int64_t)part->n);
        comp_argv_number(out, part->looked);
        comp_argv_text(out, part->writes ? part->row->handler : "");
        add_name(out, part->row);
        add_words(out, &pipeline->words, part->first + 1, part->n - 1);
    }
}

void comp_call_act(struct comp_argv *out, const char *gtrid, uint32_t seq, const char *locks_of, const struct comp_argv *command,
                   const struct comp_command_use *use)
{
    bool freeing = use->class == COMP_CLASS_WRITE && frees(use->row->handler);
    CHECK(use->class != COMP_CLASS_REFUSED && seq > 0);
    begin(out, freeing ? FUNCTION("act_freeing") : FUNCTION("act"), use->slot, command, use);
    comp_argv_text(out, gtrid);
    comp_argv_number(out, seq);
    comp_argv_text(out, locks_of);
    add_command(out, command, use);
}

void comp_call_get(struct comp_argv *out, const char *gtrid, const struct comp_argv *command,
                   const struct comp_command_use *use)
{
    CHECK(use->class == COMP_CLASS_READ && use->n_keys);
    begin(out, use->row->handler ? FUNCTION("get_caching") : FUNCTION("get"), use->slot, command, use);
    comp_argv_text(out, gtrid);
    add_command(out, command, use);
}

void comp_call_peek(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use)
{
    CHECK(use->class == COMP_CLASS_READ);
    begin(out, FUNCTION("peek"), use->slot, command, use);
    add_command(out, command, use);
}

void comp_call_vote(struct comp_argv *out, const struct comp_origin *who, const struct comp_seqs *acknowledged, uint32_t last,
                    bool writing)
{
    struct buf expected = {0};
    comp_seqs_text(acknowledged, &expected);
    begin(out, writing ? FUNCTION("seal") : FUNCTION("vote"), who->slot, NULL, NULL);
    comp_argv_text(out, who->gtrid);
    comp_argv_number(out, (int64_t)who->epoch);
    comp_argv_text(out, who->node);
    comp_argv_number(out, last);
    comp_argv_text(out, buf_cstr(&expected));
    buf_fini(&expected);
}

void comp_call_end(struct comp_argv *out, const struct comp_origin *who, const struct comp_end *end)
{
    static const char *const modes[] = {[COMP_END_COMMIT] = "C", [COMP_END_ROLLBACK] = "R", [COMP_END_PARTIAL] = "P"};
    begin(out, FUNCTION("end"), who->slot, NULL, NULL);
    comp_argv_text(out, who->gtrid);
    comp_argv_text(out, modes[end->mode]);
    comp_argv_number(out, end->dirty);
    comp_argv_number(out, end->tombstone);
    comp_argv_number(out, end->all_locks);
    comp_argv_number(out, end->first);
    comp_argv_number(out, end->last);
    struct cursor names = cursor_make(end->written ? buf_at(end->written) : NULL, end->written ? buf_len(end->written) : 0);
    while (cursor_left(&names))
        add_slice(out, cursor_bytes(&names, cursor_u32le(&names)));
}

void comp_call_epoch(struct comp_argv *out, uint16_t slot, const char *node, uint64_t epoch)
{
    begin(out, FUNCTION("epoch"), slot, NULL, NULL);
    comp_argv_text(out, node);
    comp_argv_number(out, (int64_t)epoch);
}

void comp_call_scan(struct comp_argv *out, uint16_t slot)
{
    begin(out, FUNCTION("scan"), slot, NULL, NULL);
}

void comp_call_sweep(struct comp_argv *out, uint16_t slot, uint64_t keep_ms, uint64_t marks_keep_ms)
{
    begin(out, FUNCTION("sweep"), slot, NULL, NULL);
    comp_argv_number(out, (int64_t)keep_ms);
    comp_argv_number(out, (int64_t)marks_keep_ms);
}

void comp_call_conflicts(struct comp_argv *out, uint16_t slot, uint32_t limit)
{
    begin(out, FUNCTION("conflicts"), slot, NULL, NULL);
    comp_argv_number(out, limit);
}

void comp_call_settle(struct comp_argv *out, uint16_t slot, struct slice id, enum comp_settle how, enum comp_dirty dirty)
{
    begin(out, FUNCTION("settle"), slot, NULL, NULL);
    add_slice(out, id);
    comp_argv_number(out, how);
    comp_argv_number(out, dirty);
}

void comp_call_load(struct comp_argv *out)
{
    comp_argv_text(out, "FUNCTION");
    comp_argv_text(out, "LOAD");
    comp_argv_text(out, "REPLACE");
    comp_argv_text(out, comp_library);
}

void comp_call_kill(struct comp_argv *out, uint64_t client_id)
{
    comp_argv_text(out, "CLIENT");
    comp_argv_text(out, "KILL");
    comp_argv_text(out, "ID");
    comp_argv_number(out, (int64_t)client_id);
}

const char *comp_library_name(void) { return "xaproxy1"; }
const char *comp_library_text(void) { return comp_library; }
