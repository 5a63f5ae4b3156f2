/* waldump as a person meets it: a line a record with its meaning, the verdict in the exit status, nothing changed. Runs the
 * program of the build tree. */
#include "tests/unit/wal_fixture.h"

#include <sys/wait.h>

#include "wal/types.h"
#include "xa/decision.h"

static struct place place;
static char text[64 * 1024];

/* Runs waldump, keeps what it printed in `text`, answers its exit status. */
static int waldump(const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "./waldump %s 2>&1", arguments);
    FILE *out = popen(command, "r");
    if (!out)
        abort();
    size_t n = fread(text, 1, sizeof text - 1, out);
    text[n] = '\0';
    int status = pclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_log(void)
{
    struct wal_options options = options_for(&place, NULL);
    struct xa_decision d = {.decided_ms = 1700000000123, .who = "shop@\"10.0.0.1\"", .n_branches = 2, .n_slots = 1};
    struct xa_done done;
    struct buf payload = {0};
    struct wal *wal = log_begin(&options);
    xa_gtrid_make(&d.gtrid, "node1", wal_id(wal), wal_epoch(wal), 42);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(d.branch[i].backend, sizeof d.branch[i].backend, "server%u", i);
        xa_bqual_make(&d.branch[i].bqual, i, d.branch[i].backend);
    }
    snprintf(d.slot[0].resource, sizeof d.slot[0].resource, "cache");
    d.slot[0].slot = 4711;
    xa_decision_write(&payload, &d);
    wal_wait(wal, wal_append(wal, WAL_TYPE_DECIDE, buf_at(&payload), buf_len(&payload)));
    done.gtrid = d.gtrid;
    buf_clear(&payload);
    xa_done_write(&payload, &done);
    wal_wait(wal, wal_append(wal, WAL_TYPE_DONE, buf_at(&payload), buf_len(&payload)));
    wal_wait(wal, wal_append(wal, 222, "\x01\xfe", 2));
    wal_close(wal);
    buf_fini(&payload);
}

static void first_segment(char name[static WAL_NAME_MAX])
{
    struct wal_dir dir = {place.path, &wal_file_real};
    struct wal_listing listing;
    struct wal_error error;
    if (wal_dir_list(&dir, &listing, &error) != WAL_OK || !listing.n)
        abort();
    wal_segment_name(name, listing.segment[0]);
    wal_listing_fini(&listing);
}

static void every_record_is_a_line_with_its_meaning(void)
{
    CU_ASSERT_EQUAL(waldump(place.path), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " EPOCH log="));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " DECIDE gtrid=xap1:node1:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "decided=2023-11-14T22:13:20.123Z who=\"shop@\\x2210.0.0.1\\x22\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " branch=server0/0:server0 branch=server1/1:server1 slot=cache/4710\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " DONE gtrid=xap1:node1:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " type=222 bytes=2 hex=01fe\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nsound: log="));
}

static void verify_prints_the_verdict_only(void)
{
    char arguments[600], name[WAL_NAME_MAX];
    snprintf(arguments, sizeof arguments, "--verify %s", place.path);
    CU_ASSERT_EQUAL(waldump(arguments), 0);
    CU_ASSERT_PTR_NULL(strstr(text, "DECIDE"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "sound: log="));
    first_segment(name);
    snprintf(arguments, sizeof arguments, "--verify %s/%s", place.path, name);
    CU_ASSERT_EQUAL(waldump(arguments), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "records=4"));
}

static void a_log_in_use_can_be_read(void)
{
    struct wal *wal;
    struct wal_error error;
    struct seen *seen = calloc(1, sizeof *seen);
    struct place other;
    place_make(&other);
    struct wal_options options = options_for(&other, seen);
    wal = log_begin(&options);
    wal_wait(wal, append_numbered(wal, 1, 0, false));
    CU_ASSERT_EQUAL(waldump(other.path), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "type=201"));
    CU_ASSERT_EQUAL(wal_open(&wal, &options, &error), WAL_LOCKED);
    wal_close(wal);
    place_remove(&other);
    free(seen);
}

static void damage_is_status_1_with_file_and_offset(void)
{
    char arguments[600], name[WAL_NAME_MAX], path[600];
    first_segment(name);
    snprintf(path, sizeof path, "%s/%s", place.path, name);
    FILE *f = fopen(path, "r+");
    fseek(f, 200, SEEK_SET); /* inside the decision, which DONE proves durable */
    fputc('#', f);
    fclose(f);
    snprintf(arguments, sizeof arguments, "--verify %s", place.path);
    CU_ASSERT_EQUAL(waldump(arguments), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, name));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "damaged at offset "));
    CU_ASSERT_EQUAL(waldump(path), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "DAMAGED"));
}

static void what_cannot_be_read_is_status_2(void)
{
    CU_ASSERT_EQUAL(waldump(""), 2);
    CU_ASSERT_EQUAL(waldump("--nonsense x"), 2);
    CU_ASSERT_EQUAL(waldump("/nowhere/at/all"), 2);
    CU_ASSERT_EQUAL(waldump("./waldump"), 2);
    CU_ASSERT_EQUAL(waldump("--verify ."), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "holds no log"));
    CU_ASSERT_EQUAL(waldump("--help"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Usage: waldump"));
    CU_ASSERT_EQUAL(waldump("--version"), 0);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    place_make(&place);
    make_log();
    int status = unit_main("waldump", (const struct unit_test[]){
        {"every record is a line with its meaning", every_record_is_a_line_with_its_meaning},
        {"--verify prints the verdict only", verify_prints_the_verdict_only},
        {"a log in use can be read", a_log_in_use_can_be_read},
        {"damage is status 1 with file and offset", damage_is_status_1_with_file_and_offset},
        {"what cannot be read is status 2", what_cannot_be_read_is_status_2},
        {NULL, NULL}});
    place_remove(&place);
    return status;
}
