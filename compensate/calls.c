/* Argument lists of the library's functions: the order of KEYS and ARGV is said once here and once in library/. */
#include "compensate/calls.h"

#include <string.h>

#include "compensate/library_text.h"
#include "compensate/slot.h"

/* Counts incompatible changes of the library; also in the first line of library/common.lua and at the end of upkeep.lua. */
#define FUNCTION(name) "xa1_" name

static void begin(struct comp_argv *out, const char *function, size_t n_data_keys, uint16_t slot)
{
    struct comp_control control;
    comp_control_of_slot(&control, slot);
    CHECK(out->n == 0);
    comp_argv_text(out, "FCALL");
    comp_argv_text(out, function);
    comp_argv_number(out, (int64_t)n_data_keys + 1);
    comp_argv_text(out, control.key);
}

static void add_slice(struct comp_argv *out, struct slice s)
{
    comp_argv_add(out, s.at, s.len);
}

static void add_keys(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use)
{
    for (unsigned i = 0; i < use->n_keys; i++)
        add_slice(out, comp_argv_at(command, use->key[i]));
}

/* The name in the table's upper case, since the handlers compare it; a container's second word stays an argument. */
static void add_command(struct comp_argv *out, const struct comp_argv *command, const struct comp_command_use *use)
{
    comp_argv_add(out, use->row->name, strcspn(use->row->name, " "));
    for (size_t i = 1; i < command->n; i++)
        add_slice(out, comp_argv_at(command, i));
}

void comp_call_do(struct comp_argv *out, const struct comp_origin *who, uint32_t seq, const struct comp_limits *limits,
                  const struct comp_argv *command, const struct comp_command_use *use)
{
    CHECK(use->class == COMP_CLASS_WRITE && seq > 0);
    begin(out, FUNCTION("do"), use->n_keys, who->slot);
    add_keys(out, command, use);
    comp_argv_text(out, who->gtrid);
    comp_argv_number(out, seq);
    comp_argv_number(out, (int64_t)who->epoch);
    comp_argv_text(out, who->node);
    comp_argv_number(out, use->n_written);
    comp_argv_text(out, use->row->handler);
    comp_argv_number(out, limits->image_max);
    comp_argv_number(out, limits->image_max_bytes);
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
    begin(out, frees(use->row->handler) ? FUNCTION("run_freeing") : FUNCTION("run"), use->n_keys, use->slot);
    add_keys(out, command, use);
    comp_argv_text(out, use->row->handler);
    add_command(out, command, use);
}

void comp_call_get(struct comp_argv *out, const char *gtrid, const struct comp_argv *command,
                   const struct comp_command_use *use)
{
    CHECK(use->class == COMP_CLASS_READ && use->n_keys);
    begin(out, use->row->handler ? FUNCTION("get_caching") : FUNCTION("get"), use->n_keys, use->slot);
    add_keys(out, command, use);
    comp_argv_text(out, gtrid);
    add_command(out, command, use);
}

void comp_call_vote(struct comp_argv *out, const struct comp_origin *who, const struct comp_seqs *acknowledged, uint32_t last,
                    bool writing)
{
    struct buf expected = {0};
    comp_seqs_text(acknowledged, &expected);
    begin(out, writing ? FUNCTION("seal") : FUNCTION("vote"), 0, who->slot);
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
    begin(out, FUNCTION("end"), 0, who->slot);
    comp_argv_text(out, who->gtrid);
    comp_argv_text(out, modes[end->mode]);
    comp_argv_number(out, end->force);
    comp_argv_number(out, end->tombstone);
    comp_argv_number(out, end->all_locks);
    comp_argv_number(out, end->first);
    comp_argv_number(out, end->last);
}

void comp_call_epoch(struct comp_argv *out, uint16_t slot, const char *node, uint64_t epoch)
{
    begin(out, FUNCTION("epoch"), 0, slot);
    comp_argv_text(out, node);
    comp_argv_number(out, (int64_t)epoch);
}

void comp_call_scan(struct comp_argv *out, uint16_t slot)
{
    begin(out, FUNCTION("scan"), 0, slot);
}

void comp_call_sweep(struct comp_argv *out, uint16_t slot, uint64_t keep_ms)
{
    begin(out, FUNCTION("sweep"), 0, slot);
    comp_argv_number(out, (int64_t)keep_ms);
}

void comp_call_conflicts(struct comp_argv *out, uint16_t slot, uint32_t limit)
{
    begin(out, FUNCTION("conflicts"), 0, slot);
    comp_argv_number(out, limit);
}

void comp_call_settle(struct comp_argv *out, uint16_t slot, struct slice id, bool force)
{
    begin(out, FUNCTION("settle"), 0, slot);
    add_slice(out, id);
    comp_argv_number(out, force);
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
