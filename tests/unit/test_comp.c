/* The pure side of compensation: which commands may be taken back and where their keys are, what error replies mean, records
 * of the log, and what recovery does with what it finds. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compensate/learn.h"
#include "compensate/calls.h"
#include "compensate/command.h"
#include "compensate/journal.h"
#include "compensate/replay.h"
#include "compensate/slot.h"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void argv_of(struct comp_argv *out, const char *line)
{
    char copy[256], *save = NULL;
    snprintf(copy, sizeof copy, "%s", line);
    comp_argv_clear(out);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        comp_argv_text(out, word);
}

/* "w:a,b r:c": the keys that are written and those only read; or the refusal's code. */
static const char *keys_of(const char *line)
{
    static char out[256];
    struct comp_argv argv = {0};
    struct comp_command_use use;
    struct comp_refusal why;
    argv_of(&argv, line);
    if (!comp_command_check(&argv, true, &use, &why)) {
        snprintf(out, sizeof out, "%u", why.code);
    } else {
        size_t n = (size_t)snprintf(out, sizeof out, "%s", use.class == COMP_CLASS_READ ? "read" : "write");
        for (unsigned i = 0; i < use.n_keys; i++) {
            struct slice key = comp_argv_at(&argv, use.key[i]);
            n += (size_t)snprintf(out + n, sizeof out - n, " %c:%.*s", i < use.n_written ? 'w' : 'r', (int)key.len, key.at);
        }
    }
    comp_argv_fini(&argv);
    return out;
}

static void keys_are_found(void)
{
    static const char *const cases[][2] = {
        {"get k", "read r:k"},
        {"SET k v", "write w:k"},
        {"MSET a 1 b 2", "write w:a w:b"},
        {"MSETEX 2 a 1 b 2 EX 5", "write w:a w:b"},
        {"DEL a b c", "write w:a w:b w:c"},
        {"ZUNIONSTORE d 2 a b WEIGHTS 1 2", "write w:d r:a r:b"},
        {"BITOP AND d a b", "write w:d r:a r:b"},
        {"LMPOP 2 a b LEFT", "write w:a w:b"},
        {"COPY a b", "write w:b r:a"},
        {"RENAME a b", "write w:a w:b"},
        {"xgroup create s g $", "write w:s"},
        {"XREAD COUNT 1 STREAMS a b 0 0", "read r:a r:b"},
        {"XREADGROUP GROUP STREAMS block STREAMS a >", "write w:a"},
        {"XREADGROUP GROUP g c BLOCK 1 STREAMS a >", "1235"},
        {"XREAD COUNT BLOCK STREAMS a 0", "read r:a"},
        {"XREAD BLOCK soon STREAMS a 0", "1644"},
        {"XREAD STREAMS a b 0", "1318"},
        {"SORT k BY nosort", "read r:k"},
        {"SORT k STORE d", "write w:d r:k"},
        {"GEORADIUS g 1 2 3 km STOREDIST d", "write w:d r:g"},
        {"OBJECT ENCODING k", "read r:k"},
        {"SINTERCARD 2 a b", "read r:a r:b"},
        {"SINTERCARD 3 a b", "1318"},
        {"SINTERCARD -1 a b", "1318"},
        {"ZMPOP 99999999999999999999 a MIN", "1318"},
        {"SCAN 0", "read"},
        {"BLPOP a b 1.5", "write w:a w:b"},
        {"BLPOP a never", "1644"},
        {"BLPOP a -1", "1644"},
        {"BLMPOP 0 2 a b LEFT", "write w:a w:b"},
        {"BRPOPLPUSH a b .5", "write w:a w:b"},
        {"EVAL return{} 2 a b c", "write w:a w:b"},
        {"EVAL return{} 0 a", "write"},
        {"EVAL return{} no a", "1235"},
        {"EVALSHA ff 1 a", "write w:a"},
        {"EVALSHA ff 0", "write"},
        {"FCALL f 2 a b c", "write w:a w:b"},
        {"FCALL_RO f 2 a b c", "read r:a r:b"},
        {"EVAL_RO return{} 0 a", "read"},
        {"EVAL_RO return{} no a", "1318"},
        {"SCRIPT LOAD return{}", "read"},
        {"SCRIPT FLUSH", "1235"},
        {"JSON.MGET a b $.x", "read r:a r:b"},
        {"JSON.MSET a $ 1 b $ 2", "write w:a w:b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_STRING_EQUAL(keys_of(cases[i][0]), cases[i][1]);
}

static void what_cannot_be_taken_back_is_refused_with_a_reason(void)
{
    struct comp_argv argv = {0};
    struct comp_command_use use;
    struct comp_refusal why;
    argv_of(&argv, "flushdb");
    CU_ASSERT_FALSE(comp_command_check(&argv, true, &use, &why));
    CU_ASSERT_EQUAL(why.code, 1235);
    CU_ASSERT_STRING_EQUAL(why.sqlstate, "42000");
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "Redis command FLUSHDB"));
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "no keys to restore"));
    argv_of(&argv, "PUBLISH c m");
    CU_ASSERT_FALSE(comp_command_check(&argv, true, &use, &why));
    CU_ASSERT_TRUE(comp_command_check(&argv, false, &use, &why));
    CU_ASSERT_EQUAL(use.class, COMP_CLASS_OUTSIDE);
    argv_of(&argv, "GET");
    CU_ASSERT_FALSE(comp_command_check(&argv, true, &use, &why));
    CU_ASSERT_EQUAL(why.code, 1318);
    argv_of(&argv, "SET xa:{c}:c 1");
    CU_ASSERT_FALSE(comp_command_check(&argv, true, &use, &why));
    CU_ASSERT_EQUAL(why.code, 1235);
    comp_argv_fini(&argv);
}

static void hostile_names_are_unknown_commands(void)
{
    static const struct slice names[] = {
        {(const uint8_t *)"GET\0", 4}, {(const uint8_t *)"", 0}, {(const uint8_t *)"\xff\n'", 3}, {(const uint8_t *)"ZZZZ", 4},
        {(const uint8_t *)"A", 1},
        {(const uint8_t *)"a-name-that-is-much-longer-than-any-name-that-redis-has-ever-had-for-a-command", 78},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct comp_argv argv = {0};
        struct comp_command_use use;
        struct comp_refusal why;
        comp_argv_add(&argv, names[i].at, names[i].len);
        CU_ASSERT_FALSE(comp_command_check(&argv, true, &use, &why));
        CU_ASSERT_EQUAL(why.code, 1305);
        for (const char *p = why.text; *p; p++)
            CU_ASSERT(*p >= ' ' && *p < 127);
        comp_argv_fini(&argv);
    }
}

static void every_row_is_found_by_its_own_name(void)
{
    for (size_t i = 0; comp_command_row(i); i++) {
        const struct comp_command *row = comp_command_row(i);
        char name[64], *space;
        snprintf(name, sizeof name, "%s", row->name);
        space = strchr(name, ' ');
        if (space)
            *space = '\0';
        CU_ASSERT_PTR_EQUAL(comp_command_find(text(name), space ? text(space + 1) : (struct slice){NULL, 0}), row);
        CU_ASSERT(row->class != COMP_CLASS_WRITE || row->handler);
        CU_ASSERT_EQUAL(row->class == COMP_CLASS_REFUSED || row->class == COMP_CLASS_OUTSIDE, row->reason != NULL);
    }
}

static void how_long_a_command_waits_is_read(void)
{
    static const struct { const char *line; bool waits; int64_t ms; } cases[] = {
        {"BLPOP a 1.5", true, 1500}, {"BZPOPMIN a b 0", true, 0},       {"BLMPOP 2 1 a LEFT", true, 2000},
        {"BLMOVE a b LEFT RIGHT 0.0001", true, 1}, {"LPOP a", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct comp_argv argv = {0};
        struct comp_command_use use = {0};
        struct comp_refusal why;
        argv_of(&argv, cases[i].line);
        CU_ASSERT_TRUE(comp_command_check(&argv, false, &use, &why));
        CU_ASSERT_EQUAL(use.waits, cases[i].waits);
        CU_ASSERT_EQUAL(use.timeout_ms, cases[i].ms);
        comp_argv_fini(&argv);
    }
}

/* Of "M.DO a b a", where the server says of a and b what is written beside each case. */
static void what_a_server_says_makes_a_row(void)
{
    static const struct {
        bool writes, reads, no_script, a_written;
        unsigned code, written;
    } cases[] = {
        {true, false, false, true, 0, 1},  /* a written, b read */
        {true, false, false, false, 0, 2}, /* a write that writes nothing: all of it is */
        {false, true, false, true, 0, 0},
        {false, false, false, true, 1235, 0},
        {true, false, true, true, 1235, 0},
    };
    struct comp_argv argv = {0};
    argv_of(&argv, "m.do a b a");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct comp_described d = {.writes = cases[i].writes, .reads = cases[i].reads, .no_script = cases[i].no_script};
        struct comp_learned learned;
        struct comp_command_use use;
        struct comp_refusal why;
        comp_described_key(&d, text("b"), false);
        comp_described_key(&d, text("a"), cases[i].a_written);
        CU_ASSERT_EQUAL(comp_learn(&argv, &d, &learned, &use, &why), !cases[i].code);
        if (cases[i].code) {
            CU_ASSERT_EQUAL(why.code, cases[i].code);
            continue;
        }
        CU_ASSERT_STRING_EQUAL(use.row->name, "M.DO");
        CU_ASSERT_EQUAL(use.class, cases[i].writes ? COMP_CLASS_WRITE : COMP_CLASS_READ);
        CU_ASSERT_EQUAL(use.n_keys, 2);
        if (cases[i].writes)
            CU_ASSERT_EQUAL(use.n_written, cases[i].written);
    }
    struct comp_described none = {.writes = true}, foreign = {.writes = true};
    struct comp_learned learned;
    struct comp_command_use use;
    struct comp_refusal why;
    comp_described_key(&foreign, text("not an argument"), true);
    CU_ASSERT_FALSE(comp_learn(&argv, &none, &learned, &use, &why));
    CU_ASSERT_FALSE(comp_learn(&argv, &foreign, &learned, &use, &why));
    comp_argv_fini(&argv);
}

static void options_change_the_shape_of_a_reply(void)
{
    static const struct { const char *line; enum comp_shape shape; } cases[] = {
        {"ZRANGE z 0 -1", COMP_SHAPE_ANY},         {"ZRANGE z 0 -1 withscores", COMP_SHAPE_SCORES},
        {"HRANDFIELD h 2 WITHVALUES", COMP_SHAPE_PAIRS}, {"GEOSEARCH g FROMMEMBER a BYRADIUS 1 m WITHDIST", COMP_SHAPE_NESTED},
        {"HGETALL h", COMP_SHAPE_PAIRS},           {"SSCAN k 0", COMP_SHAPE_CURSOR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct comp_argv argv = {0};
        struct comp_command_use use;
        struct comp_refusal why;
        argv_of(&argv, cases[i].line);
        CU_ASSERT_TRUE(comp_command_check(&argv, false, &use, &why));
        CU_ASSERT_EQUAL(use.shape, cases[i].shape);
        comp_argv_fini(&argv);
    }
}

static void error_replies_are_told_apart(void)
{
    CU_ASSERT_EQUAL(comp_reply_of_error(text("XALOCKED g k")), COMP_REPLY_LOCKED);
    CU_ASSERT_EQUAL(comp_reply_of_error(text("ERR Function not found")), COMP_REPLY_NO_FUNCTION);
    CU_ASSERT_EQUAL(comp_reply_of_error(text("BUSY Redis is busy")), COMP_REPLY_NOT_NOW);
    CU_ASSERT_EQUAL(comp_reply_of_error(text("BUSYGROUP Consumer Group name already exists")), COMP_REPLY_ERROR);
    CU_ASSERT_EQUAL(comp_reply_of_error(text("ASK 1 h:1")), COMP_REPLY_NOT_MASTER);
    CU_ASSERT_EQUAL(comp_reply_of_error((struct slice){NULL, 0}), COMP_REPLY_ERROR);
    struct slice owner, key;
    CU_ASSERT_TRUE(comp_reply_locked(text("XALOCKED xap1:n:l:5:1-ff some\\x20key"), &owner, &key));
    CU_ASSERT_TRUE(slice_is(owner, "xap1:n:l:5:1-ff"));
    CU_ASSERT_TRUE(slice_is(key, "some\\x20key"));
    CU_ASSERT_FALSE(comp_reply_locked(text("XALOCKED "), &owner, &key));
    CU_ASSERT_FALSE(comp_reply_locked(text("WRONGTYPE x"), &owner, &key));
}

static void seqs_are_an_exact_set(void)
{
    struct comp_seqs s = {0};
    struct buf out = {0};
    for (uint32_t i = 1; i <= 200; i++)
        if (i != 6 && i != 64 && i < 130)
            comp_seqs_add(&s, i);
    comp_seqs_add(&s, 200);
    comp_seqs_add(&s, 200);
    CU_ASSERT_EQUAL(s.count, 128);
    comp_seqs_text(&s, &out);
    CU_ASSERT_STRING_EQUAL(buf_cstr(&out), "1-5 7-63 65-129 200");
    comp_seqs_drop_above(&s, 127);
    CU_ASSERT_EQUAL(s.count, 125);
    CU_ASSERT_TRUE(comp_seqs_has(&s, 127));
    CU_ASSERT_FALSE(comp_seqs_has(&s, 128));
    comp_seqs_drop_above(&s, 0);
    CU_ASSERT_EQUAL(s.count, 0);
    buf_fini(&out);
    comp_seqs_fini(&s);
}

static void records_come_back_as_written_and_no_part_of_one_is_taken(void)
{
    struct comp_touch_record touch = {"cache", "node-1", UINT64_C(0x1122334455667788), 16383}, touch_back;
    struct comp_horizon_record horizon = {"cache", 7, UINT64_C(1) << 60}, horizon_back;
    struct buf a = {0}, b = {0};
    comp_touch_write(&a, &touch);
    comp_horizon_write(&b, &horizon);
    CU_ASSERT_TRUE(comp_touch_read((struct slice){buf_at(&a), buf_len(&a)}, &touch_back));
    CU_ASSERT_TRUE(comp_horizon_read((struct slice){buf_at(&b), buf_len(&b)}, &horizon_back));
    CU_ASSERT_STRING_EQUAL(touch_back.resource, "cache");
    CU_ASSERT_STRING_EQUAL(touch_back.node, "node-1");
    CU_ASSERT(touch_back.epoch == touch.epoch && touch_back.slot == 16383);
    CU_ASSERT(horizon_back.epoch == 7 && horizon_back.counter == UINT64_C(1) << 60);
    for (size_t n = 0; n < buf_len(&a); n++)
        CU_ASSERT_FALSE(comp_touch_read((struct slice){buf_at(&a), n}, &touch_back));
    for (size_t n = 0; n < buf_len(&b); n++)
        CU_ASSERT_FALSE(comp_horizon_read((struct slice){buf_at(&b), n}, &horizon_back));
    buf_u8(&a, 0);
    CU_ASSERT_FALSE(comp_touch_read((struct slice){buf_at(&a), buf_len(&a)}, &touch_back));
    buf_at(&b)[0] = 33; /* longer than a name may be */
    CU_ASSERT_FALSE(comp_horizon_read((struct slice){buf_at(&b), buf_len(&b)}, &horizon_back));
    buf_fini(&a);
    buf_fini(&b);
}

/* gtrids of this test: node:log:epoch:counter */
static bool parse(void *arg, struct slice gtrid, struct comp_gtrid_parts *out)
{
    (void)arg;
    static char copy[64];
    snprintf(copy, sizeof copy, "%.*s", (int)gtrid.len, gtrid.at);
    char *save = NULL, *node = strtok_r(copy, ":", &save), *log = strtok_r(NULL, ":", &save);
    char *epoch = strtok_r(NULL, ":", &save), *counter = strtok_r(NULL, ":", &save);
    if (!counter)
        return false;
    *out = (struct comp_gtrid_parts){text(node), text(log), strtoull(epoch, NULL, 10), strtoull(counter, NULL, 10)};
    return true;
}
static bool always(void *arg, struct slice gtrid) { return (void)arg, (void)gtrid, true; }
static bool never(void *arg, struct slice gtrid) { return (void)arg, (void)gtrid, false; }

static void recovery_judges_what_it_finds(void)
{
    struct comp_replay_view view = {"n", "log", parse, never, never, NULL, {"cache", 4, 10}, true};
    struct comp_scanned row = {text("n:log:5:1"), 1, 3, 3, 1, false};
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_ROLLBACK);
    struct comp_end end = comp_replay_end(&row, COMP_FATE_ROLLBACK, COMP_DIRTY_FORCE);
    CU_ASSERT(end.mode == COMP_END_ROLLBACK && end.tombstone && end.all_locks && end.dirty == COMP_DIRTY_FORCE && end.first == 1 && end.last == 3);
    view.decided = always;
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_COMMIT);
    CU_ASSERT_EQUAL(comp_replay_end(&row, COMP_FATE_COMMIT, COMP_DIRTY_DELTA).mode, COMP_END_COMMIT);
    view.live = always;
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_WAIT);
    view.live = never;
    view.seen_before = false;
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_WAIT);
    view.seen_before = true;
    row.gtrid = text("n:log:4:9");
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_COMMIT);
    view.decided = never;
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_ORPHAN);
    row.gtrid = text("n:log:4:10");
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_ROLLBACK);
    row.gtrid = text("n:other:5:1");
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_OTHER_LOG);
    row.gtrid = text("m:log:5:1");
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_FOREIGN);
    row.gtrid = text("whatever");
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_FOREIGN);
    row = (struct comp_scanned){text("n:log:5:1"), 0, 0, 0, 0, true};
    CU_ASSERT_EQUAL(comp_replay_fate(&view, &row), COMP_FATE_NOTHING);
}

/* --- slots of a cluster --- */

static uint16_t slot_of(const char *key, size_t len)
{
    return comp_slot_of_key((struct slice){(const uint8_t *)key, len});
}
#define SLOT_OF(key) slot_of(key, sizeof(key) - 1)

/* The specification's own examples, and the odd ones. */
static void keys_hash_as_in_a_cluster(void)
{
    CU_ASSERT_EQUAL(comp_slot_number(SLOT_OF("123456789")), 0x31c3);
    CU_ASSERT_EQUAL(SLOT_OF("{user1000}.following"), SLOT_OF("{user1000}.followers"));
    CU_ASSERT_EQUAL(SLOT_OF("{user1000}.following"), SLOT_OF("user1000"));
    CU_ASSERT_NOT_EQUAL(SLOT_OF("foo{}{bar}"), SLOT_OF("bar")); /* the first braces are empty: all of it counts */
    CU_ASSERT_EQUAL(SLOT_OF("foo{{bar}}zap"), SLOT_OF("{bar"));
    CU_ASSERT_EQUAL(SLOT_OF("foo{bar}{zap}"), SLOT_OF("bar"));
    CU_ASSERT_NOT_EQUAL(SLOT_OF("a}b{"), SLOT_OF("b"));
    CU_ASSERT_EQUAL(SLOT_OF("{a\0b}x"), SLOT_OF("a\0b"));
    CU_ASSERT_EQUAL(comp_slot_number(SLOT_OF("")), 0);
}

static void control_keys_are_in_their_slot(void)
{
    struct comp_control control;
    for (unsigned number = 0; number < 16384; number++) {
        comp_control_of_slot(&control, comp_slot_of_number(number));
        const char *const keys[] = {control.key, control.conflicts, control.absent};
        for (size_t i = 0; i < 3; i++) {
            struct slice key = {(const uint8_t *)keys[i], strlen(keys[i])};
            CU_ASSERT_FATAL(comp_key_is_ours(key) && comp_slot_number(comp_slot_of_key(key)) == number);
        }
    }
    comp_control_of_slot(&control, COMP_SLOT_ALONE);
    CU_ASSERT_STRING_EQUAL(control.absent, "");
}

/* The slot, or the refusal's text. */
static const char *slot_text(const char *line)
{
    static char out[COMP_SLOT_TEXT];
    static struct comp_refusal why;
    static struct comp_command_use use;
    struct comp_argv argv = {0};
    argv_of(&argv, line);
    CU_ASSERT_TRUE_FATAL(comp_command_check(&argv, false, &use, &why));
    CU_ASSERT_EQUAL(use.slot, COMP_SLOT_ALONE);
    bool good = comp_command_slot(&argv, &use, &why);
    comp_argv_fini(&argv);
    return good ? comp_slot_text(use.slot, out) : why.text;
}

static void commands_have_one_slot_or_none(void)
{
    CU_ASSERT_STRING_EQUAL(slot_text("GET 123456789"), "12739");
    CU_ASSERT_STRING_EQUAL(slot_text("MSET {123456789}a 1 {123456789}b 2"), "12739");
    CU_ASSERT_STRING_EQUAL(slot_text("PING"), "-");
    CU_ASSERT_PTR_NOT_NULL(strstr(slot_text("MSET a 1 b 2"), "different slots"));
    CU_ASSERT_PTR_NOT_NULL(strstr(slot_text("SUNIONSTORE a b"), "different slots"));
    CU_ASSERT_PTR_NOT_NULL(strstr(slot_text("DBSIZE"), "names no key"));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"keys are found", keys_are_found},
        {"what cannot be taken back is refused with a reason", what_cannot_be_taken_back_is_refused_with_a_reason},
        {"hostile names are unknown commands", hostile_names_are_unknown_commands},
        {"every row is found by its own name", every_row_is_found_by_its_own_name},
        {"how long a command waits is read", how_long_a_command_waits_is_read},
        {"what a server says makes a row", what_a_server_says_makes_a_row},
        {"options change the shape of a reply", options_change_the_shape_of_a_reply},
        {"error replies are told apart", error_replies_are_told_apart},
        {"seqs are an exact set", seqs_are_an_exact_set},
        {"records come back as written, and no part of one is taken", records_come_back_as_written_and_no_part_of_one_is_taken},
        {"recovery judges what it finds", recovery_judges_what_it_finds},
        {"keys hash as in a cluster", keys_hash_as_in_a_cluster},
        {"control keys are in their slot", control_keys_are_in_their_slot},
        {"commands have one slot or none", commands_have_one_slot_or_none},
        {NULL, NULL},
    };
    return unit_main("comp", tests);
}
