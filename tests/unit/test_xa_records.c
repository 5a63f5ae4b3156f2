/* Records, registry, recovery: what is written reads back and nothing shorter, longer or crooked does; the registry
 * keeps one entry a transaction under many threads; fates follow from book and hands. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xa/recovery.h"

/* --- records --- */

static struct xa_decision some_decision(const char *gtrid, unsigned n_branches, unsigned n_slots)
{
    struct xa_decision d;
    memset(&d, 0, sizeof d);
    snprintf(d.gtrid.text, sizeof d.gtrid.text, "%s", gtrid);
    d.decided_ms = 1700000000123;
    snprintf(d.who, sizeof d.who, "shop@10.0.0.1");
    d.n_branches = n_branches;
    d.n_slots = n_slots;
    for (unsigned i = 0; i < n_branches; i++) {
        snprintf(d.branch[i].backend, sizeof d.branch[i].backend, "server%u", i);
        snprintf(d.branch[i].bqual.text, sizeof d.branch[i].bqual.text, "%u:server%u", i, i);
    }
    for (unsigned i = 0; i < n_slots; i++) {
        snprintf(d.slot[i].resource, sizeof d.slot[i].resource, "cache");
        d.slot[i].slot = (uint16_t)(16383 - i);
    }
    return d;
}

static struct slice exactly(const struct buf *b)
{
    return (struct slice){buf_at(b), buf_len(b)};
}

/* From a copy of exactly n bytes, so that a sanitizer sees any read beyond them. */
static bool reads(bool (*read)(struct slice, void *), const struct buf *b, size_t n)
{
    char out[8192];
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, buf_at(b), n);
    bool good = read((struct slice){copy, n}, out);
    free(copy);
    return good;
}

static void refuses_every_other_length(bool (*read)(struct slice, void *), struct buf *b)
{
    size_t len = buf_len(b);
    CU_ASSERT_TRUE(reads(read, b, len));
    for (size_t n = 0; n < len; n++)
        CU_ASSERT_FALSE(reads(read, b, n));
    buf_u8(b, 0);
    CU_ASSERT_FALSE(reads(read, b, len + 1));
    buf_truncate(b, len);
    ++*buf_at(b); /* a version that is not known */
    CU_ASSERT_FALSE(reads(read, b, len));
}

#define READER(type) \
    static bool read_##type(struct slice s, void *out) \
    { \
        return xa_##type##_read(s, out); \
    }
READER(decision)
READER(done)
READER(person_verdict)
READER(identity)
READER(connection)

static void decisions_read_back(void)
{
    static const unsigned shapes[][2] = {{0, 0}, {1, 0}, {2, 1}, {0, 3}, {XA_MAX_BRANCHES, XA_MAX_SLOTS}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct buf b = {0};
        struct xa_decision d = some_decision("xap1:n:00000001:1:1-0123456789abcdef", shapes[i][0], shapes[i][1]), back;
        xa_decision_write(&b, &d);
        CU_ASSERT_TRUE(xa_decision_read(exactly(&b), &back));
        CU_ASSERT_EQUAL(memcmp(&d, &back, sizeof d), 0);
        refuses_every_other_length(read_decision, &b);
        buf_fini(&b);
    }
}

static void the_last_step_of_a_saga_says_so(void)
{
    struct buf b = {0};
    struct xa_decision d = some_decision("xap1:n:00000001:1:1-0123456789abcdef", 1, 1), back;
    snprintf(d.saga, sizeof d.saga, "xap1:n:00000001:1:2-0123456789abcdef");
    xa_decision_write(&b, &d);
    CU_ASSERT_TRUE(xa_decision_read(exactly(&b), &back));
    CU_ASSERT_EQUAL(memcmp(&d, &back, sizeof d), 0);
    refuses_every_other_length(read_decision, &b);
    buf_fini(&b);
}

static void a_decision_from_before_sagas_reads(void)
{
    static const uint8_t record[] = "\1" "\1\0g" "\5\0\0\0\0\0\0\0" "\3\0who" "\1\0" "\1\0s" "\3\0" "0:s";
    struct xa_decision back;
    CU_ASSERT_TRUE(xa_decision_read((struct slice){record, sizeof record - 1}, &back));
    CU_ASSERT(!strcmp(back.gtrid.text, "g") && !strcmp(back.who, "who") && !*back.saga && back.n_branches == 1);
}

/* Where the field begins: version, gtrid, time, who; then the two counts. */
static void a_decision_with_too_many_parts_is_refused(void)
{
    struct buf b = {0};
    struct xa_decision d = some_decision("g", 0, 0), back;
    xa_decision_write(&b, &d);
    size_t counts = buf_len(&b) - 2;
    buf_zeros(&b, 4096);
    for (unsigned field = 0; field < 2; field++)
        for (unsigned n = field ? XA_MAX_SLOTS + 1 : XA_MAX_BRANCHES + 1; n < 256; n++) {
            buf_at(&b)[counts + field] = (uint8_t)n;
            CU_ASSERT_FALSE(xa_decision_read(exactly(&b), &back));
            buf_at(&b)[counts + field] = 0;
        }
    buf_fini(&b);
}

static void texts_with_a_nul_or_nothing_or_too_much_are_refused(void)
{
    struct xa_done back;
    struct buf b = {0};
    buf_append(&b, "\1\3\0a\0b", 6);
    CU_ASSERT_FALSE(xa_done_read(exactly(&b), &back));
    buf_clear(&b);
    buf_append(&b, "\1\0\0", 3);
    CU_ASSERT_FALSE(xa_done_read(exactly(&b), &back));
    for (unsigned n = XA_GTRID_MAX; n <= XA_GTRID_MAX + 1; n++) {
        buf_clear(&b);
        buf_u8(&b, 1);
        buf_u16le(&b, (uint16_t)n);
        memset(buf_reserve(&b, n), 'x', n);
        buf_added(&b, n);
        CU_ASSERT_EQUAL(xa_done_read(exactly(&b), &back), n == XA_GTRID_MAX);
    }
    buf_fini(&b);
}

static void the_other_records_read_back(void)
{
    struct buf b = {0};
    struct xa_done done = {{"g"}}, done2;
    xa_done_write(&b, &done);
    CU_ASSERT_TRUE(xa_done_read(exactly(&b), &done2));
    CU_ASSERT_STRING_EQUAL(done2.gtrid.text, "g");
    refuses_every_other_length(read_done, &b);

    struct xa_person_verdict v = {{"g"}, true, false, -5, "dba@host", "disk \"replaced\""}, v2;
    buf_clear(&b);
    xa_person_verdict_write(&b, &v);
    CU_ASSERT_TRUE(xa_person_verdict_read(exactly(&b), &v2));
    CU_ASSERT(v2.commit && !v2.forced && v2.at_ms == -5 && !strcmp(v2.who, v.who) && !strcmp(v2.why, v.why));
    refuses_every_other_length(read_person_verdict, &b);

    struct xa_identity id = {"shop", "3e11fa47-71ca-11e1-9e33-c80aa9429562"}, id2;
    buf_clear(&b);
    xa_identity_write(&b, &id);
    CU_ASSERT_TRUE(xa_identity_read(exactly(&b), &id2));
    CU_ASSERT(!strcmp(id2.backend, id.backend) && !strcmp(id2.server, id.server));
    refuses_every_other_length(read_identity, &b);

    struct xa_connection c = {"shop", "xap@%", UINT64_C(1) << 40, 1700000000123, true}, c2;
    buf_clear(&b);
    xa_connection_write(&b, &c);
    CU_ASSERT_TRUE(xa_connection_read(exactly(&b), &c2));
    CU_ASSERT(!strcmp(c2.backend, c.backend) && !strcmp(c2.account, c.account) && c2.connection_id == c.connection_id &&
              c2.opened_ms == c.opened_ms && c2.closed);
    refuses_every_other_length(read_connection, &b);
    buf_fini(&b);
}

/* --- registry --- */

static void an_entry_lives_until_its_last_part_is_settled(void)
{
    struct xa_registry *r = xa_registry_new();
    struct xa_decision d = some_decision("g", 2, 1), back;
    enum xa_owner owner;
    snprintf(d.saga, sizeof d.saga, "saga");
    xa_registry_enter(r, &d, XA_OWNER_SESSION);
    CU_ASSERT_TRUE(xa_registry_find(r, "g", &back, &owner));
    CU_ASSERT_EQUAL(memcmp(&d, &back, sizeof d), 0);
    CU_ASSERT_EQUAL(owner, XA_OWNER_SESSION);
    CU_ASSERT_FALSE(xa_registry_branch_settled(r, "g", "server0", "0:server0"));
    CU_ASSERT_FALSE(xa_registry_branch_settled(r, "g", "server0", "0:server0")); /* twice counts once */
    CU_ASSERT_FALSE(xa_registry_branch_settled(r, "g", "server0", "1:server1")); /* names must go together */
    CU_ASSERT_FALSE(xa_registry_branch_open(r, "g", "server0", "0:server0"));
    CU_ASSERT_TRUE(xa_registry_branch_open(r, "g", "server1", "1:server1"));
    CU_ASSERT_FALSE(xa_registry_branch_open(r, "g", "server2", "2:server2"));
    CU_ASSERT_FALSE(xa_registry_slot_open(r, "g", "nowhere", 0));
    CU_ASSERT(!xa_registry_open_on(r, "g", false, "server0") && xa_registry_open_on(r, "g", false, "server1"));
    CU_ASSERT(!xa_registry_open_on(r, "saga", true, "server0") && xa_registry_open_on(r, "saga", true, "server1"));
    CU_ASSERT_FALSE(xa_registry_open_on(r, "saga", false, "server1"));
    xa_registry_hand_over(r, "g");
    CU_ASSERT_EQUAL(xa_registry_count(r, XA_OWNER_SESSION), 0);
    CU_ASSERT_EQUAL(xa_registry_count(r, XA_OWNER_RESOLVER), 1);
    CU_ASSERT_FALSE(xa_registry_slot_settled(r, "g", "cache", 1));
    CU_ASSERT_FALSE(xa_registry_slot_settled(r, "g", "cache", 16383));
    CU_ASSERT_TRUE(xa_registry_branch_settled(r, "g", "server1", "1:server1"));
    CU_ASSERT_FALSE(xa_registry_branch_settled(r, "g", "server1", "1:server1")); /* "the last" is said once */
    xa_registry_leave(r, "g");
    xa_registry_leave(r, "g");
    CU_ASSERT_FALSE(xa_registry_find(r, "g", NULL, NULL));
    CU_ASSERT_EQUAL(xa_registry_count(r, XA_OWNER_RESOLVER), 0);
    xa_registry_free(r);
}

static void entering_again_starts_afresh(void)
{
    struct xa_registry *r = xa_registry_new();
    struct xa_decision d = some_decision("g", 1, 0);
    xa_registry_enter(r, &d, XA_OWNER_SESSION);
    CU_ASSERT_TRUE(xa_registry_branch_settled(r, "g", "server0", "0:server0"));
    xa_registry_enter(r, &d, XA_OWNER_RESOLVER);
    CU_ASSERT_EQUAL(xa_registry_count(r, XA_OWNER_SESSION), 0);
    CU_ASSERT_EQUAL(xa_registry_count(r, XA_OWNER_RESOLVER), 1);
    CU_ASSERT_TRUE(xa_registry_branch_open(r, "g", "server0", "0:server0"));
    xa_registry_free(r);
}

static void count_one(void *arg, const struct xa_decision *d, enum xa_owner owner)
{
    *(unsigned *)arg += d->n_branches == 1 && owner == XA_OWNER_SESSION;
}

#define MANY 2000

static void *enter_and_leave_many(void *arg)
{
    struct xa_registry *r = arg;
    static atomic_uint threads;
    unsigned me = threads++;
    char gtrid[32];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(gtrid, sizeof gtrid, "g-%u-%u", me, i);
        struct xa_decision d = some_decision(gtrid, 1, 0);
        xa_registry_enter(r, &d, XA_OWNER_SESSION);
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        snprintf(gtrid, sizeof gtrid, "g-%u-%u", me, i);
        if (xa_registry_branch_settled(r, gtrid, "server0", "0:server0"))
            xa_registry_leave(r, gtrid);
    }
    return NULL;
}

static void many_threads_share_one_registry(void)
{
    struct xa_registry *r = xa_registry_new();
    pthread_t thread[4];
    unsigned left = 0;
    for (unsigned i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, enter_and_leave_many, r);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    xa_registry_each(r, count_one, &left);
    CU_ASSERT_EQUAL(left, 4 * MANY / 2);
    CU_ASSERT_EQUAL(xa_registry_count(r, XA_OWNER_SESSION), 4 * MANY / 2);
    CU_ASSERT_FALSE(xa_registry_find(r, "g-3-0", NULL, NULL));
    CU_ASSERT_TRUE(xa_registry_find(r, "g-3-1", NULL, NULL));
    xa_registry_free(r);
}

/* --- recovery --- */

#define OURS "xap1:n:00000001:5:1-0123456789abcdef"

struct said {
    const char *live, *judged, *adopted;
};
static bool is_live(void *arg, const char *gtrid)
{
    const struct said *s = arg;
    return s->live && !strcmp(s->live, gtrid);
}
static bool is_judged(void *arg, const char *gtrid)
{
    const struct said *s = arg;
    return s->judged && !strcmp(s->judged, gtrid);
}
static bool is_adopted(void *arg, const char *log_id)
{
    const struct said *s = arg;
    return s->adopted && !strcmp(s->adopted, log_id);
}

static enum xa_fate fate_of(struct xa_registry *r, struct said said, const char *gtrid, uint64_t format_id, bool seen)
{
    const struct xa_recovery_view view = {"n", "00000001", 5, r, is_live, is_judged, is_adopted, &said, seen};
    const struct xa_recovered row = {format_id, {(const uint8_t *)gtrid, strlen(gtrid)}, {(const uint8_t *)"0:a", 3}};
    return xa_recovery_fate(&view, &row);
}

static void fates_follow_from_book_and_hands(void)
{
    struct xa_registry *r = xa_registry_new();
    struct said nothing = {0};
    CU_ASSERT_EQUAL(fate_of(r, nothing, OURS, 1, true), XA_FATE_ROLLBACK);
    CU_ASSERT_EQUAL(fate_of(r, nothing, OURS, 1, false), XA_FATE_WAIT);
    CU_ASSERT_EQUAL(fate_of(r, (struct said){.live = OURS}, OURS, 1, true), XA_FATE_WAIT);
    CU_ASSERT_EQUAL(fate_of(r, (struct said){.judged = OURS}, OURS, 1, true), XA_FATE_PERSON);
    CU_ASSERT_EQUAL(fate_of(r, (struct said){.live = OURS, .judged = OURS}, OURS, 1, true), XA_FATE_WAIT);

    struct xa_decision d = some_decision(OURS, 1, 0);
    xa_registry_enter(r, &d, XA_OWNER_SESSION);
    CU_ASSERT_EQUAL(fate_of(r, nothing, OURS, 1, true), XA_FATE_WAIT);
    xa_registry_hand_over(r, OURS);
    CU_ASSERT_EQUAL(fate_of(r, nothing, OURS, 1, true), XA_FATE_COMMIT);
    CU_ASSERT_EQUAL(fate_of(r, nothing, OURS, 1, false), XA_FATE_COMMIT);
    CU_ASSERT_EQUAL(fate_of(r, (struct said){.judged = OURS}, OURS, 1, true), XA_FATE_PERSON);
    xa_registry_free(r);
}

static void abort_is_presumed_for_our_own_log_only(void)
{
    struct xa_registry *r = xa_registry_new();
    struct said nothing = {0}, adopted = {.adopted = "00000002"};
    const char *other_log = "xap1:n:00000002:5:1-0123456789abcdef";
    const char *other_node = "xap1:m:00000001:5:1-0123456789abcdef";
    const char *stranger = "xap1:m:00000002:5:1-0123456789abcdef";
    const char *later_start = "xap1:n:00000001:6:1-0123456789abcdef";
    CU_ASSERT_EQUAL(fate_of(r, nothing, other_log, 1, true), XA_FATE_OTHER_LOG);
    CU_ASSERT_EQUAL(fate_of(r, nothing, other_node, 1, true), XA_FATE_OTHER_LOG);
    CU_ASSERT_EQUAL(fate_of(r, nothing, later_start, 1, true), XA_FATE_OTHER_LOG);
    CU_ASSERT_EQUAL(fate_of(r, nothing, stranger, 1, true), XA_FATE_FOREIGN);
    CU_ASSERT_EQUAL(fate_of(r, adopted, other_log, 1, true), XA_FATE_ROLLBACK);
    CU_ASSERT_EQUAL(fate_of(r, adopted, other_log, 1, false), XA_FATE_WAIT);
    CU_ASSERT_EQUAL(fate_of(r, nothing, "java-tm-17", 1, true), XA_FATE_FOREIGN);
    CU_ASSERT_EQUAL(fate_of(r, nothing, OURS, 77, true), XA_FATE_FOREIGN); /* ours always say 1 */
    xa_registry_free(r);
}

static void absence_proves_only_what_nobody_can_undo(void)
{
    CU_ASSERT_EQUAL(xa_recovery_absent(true, false, true), XA_ABSENCE_SETTLED);
    CU_ASSERT_EQUAL(xa_recovery_absent(true, false, false), XA_ABSENCE_SETTLED);
    CU_ASSERT_EQUAL(xa_recovery_absent(true, true, true), XA_ABSENCE_PRESUMED);
    CU_ASSERT_EQUAL(xa_recovery_absent(true, true, false), XA_ABSENCE_HEURISTIC);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(xa_recovery_absent(false, i & 1, i & 2), XA_ABSENCE_LOOK_AGAIN);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"decisions read back", decisions_read_back},
        {"the last step of a saga says so", the_last_step_of_a_saga_says_so},
        {"a decision from before sagas reads", a_decision_from_before_sagas_reads},
        {"a decision with too many parts is refused", a_decision_with_too_many_parts_is_refused},
        {"texts with a NUL, empty or too long are refused", texts_with_a_nul_or_nothing_or_too_much_are_refused},
        {"the other records read back", the_other_records_read_back},
        {"an entry lives until its last part is settled", an_entry_lives_until_its_last_part_is_settled},
        {"entering again starts afresh", entering_again_starts_afresh},
        {"many threads share one registry", many_threads_share_one_registry},
        {"fates follow from book and hands", fates_follow_from_book_and_hands},
        {"abort is presumed for our own log only", abort_is_presumed_for_our_own_log_only},
        {"absence proves only what nobody can undo", absence_proves_only_what_nobody_can_undo},
        {NULL, NULL},
    };
    return unit_main("xa records", tests);
}
