/* The n-th call to the operating system fails, for n = 1, 2, ..., in each of six ways; the process dies at each crash point:
 * whatever was published as durable is there afterwards, and nothing that was never appended. */
#include "tests/unit/wal_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/failpoint.h"

#define OLD 10     /* records of an earlier start */
#define RECORDS 60 /* appended by the process that fails */
#define PAD 2000
#define REFUSED 3 /* exit status of a child whose start was refused */

/* What the child has published, and how many calls it has made. */
static struct shared {
    _Atomic uint64_t durable;
    _Atomic uint64_t base; /* position at which the child's first record begins; 0 = it never came to that */
    _Atomic int calls;
    _Atomic bool fired;
} *shared;

/* How the n-th call goes wrong. After a failed sync the kernel takes the pages for clean although they are not on the disk:
 * TORN makes them vanish. At a power failure the process ends, and of every write that was not synced all is lost, or its
 * first half, as pages reach the disk in any order. */
enum fault { FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT, FAULT_TORN, FAULT_POWER, FAULT_POWER_HALF };
static enum fault fault;
static int fail_at;

#define POWER_LOST 42 /* exit status */

/* Writes not yet synced; the lock makes calls of two threads come one after the other, and none after the failure. */
static struct unsynced {
    int fd;
    off_t at;
    size_t n;
} unsynced[256];
static unsigned n_unsynced;
static pthread_mutex_t one_call = PTHREAD_MUTEX_INITIALIZER;

static void synced(int fd)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < n_unsynced; i++)
        if (unsynced[i].fd != fd)
            unsynced[kept++] = unsynced[i];
    n_unsynced = kept;
}

/* fd -1: of all files. */
static void lose_unsynced(int fd)
{
    static const uint8_t zeros[1024 * 1024];
    for (unsigned i = 0; i < n_unsynced; i++) {
        struct unsynced *u = &unsynced[i];
        size_t lost = fault == FAULT_POWER_HALF ? u->n / 2 : u->n;
        CHECK(lost <= sizeof zeros);
        if ((fd == -1 || fd == u->fd) && pwrite(u->fd, zeros, lost, u->at) < 0)
            _exit(99);
    }
}

static bool now(void)
{
    bool fire = ++shared->calls == fail_at;
    if (!fire)
        return false;
    shared->fired = true;
    if (fault >= FAULT_POWER) {
        lose_unsynced(-1);
        _exit(POWER_LOST);
    }
    errno = fault == FAULT_ENOSPC ? ENOSPC : EIO;
    return true;
}

static int failing_open(const char *path, int flags, mode_t mode)
{
    pthread_mutex_lock(&one_call);
    int fd = now() ? -1 : open(path, flags, mode);
    pthread_mutex_unlock(&one_call);
    return fd;
}

static ssize_t failing_pread(int fd, void *bytes, size_t n, off_t at)
{
    pthread_mutex_lock(&one_call);
    bool fire = now();
    ssize_t got = fire && fault != FAULT_SHORT ? -1 : pread(fd, bytes, fire ? n / 2 : n, at);
    pthread_mutex_unlock(&one_call);
    return got;
}

static ssize_t failing_pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    pthread_mutex_lock(&one_call);
    bool fire = now();
    int why = errno;
    ssize_t done = 0;
    if (!fire || fault == FAULT_SHORT || fault == FAULT_TORN)
        done = pwrite(fd, bytes, fire ? n / 2 : n, at);
    CHECK(n_unsynced < sizeof unsynced / sizeof *unsynced);
    unsynced[n_unsynced++] = (struct unsynced){fd, at, done > 0 ? (size_t)done : 0};
    pthread_mutex_unlock(&one_call);
    errno = why;
    return fire && fault != FAULT_SHORT ? -1 : done;
}

/* What is lost without a sync is decided above, not by the disk: a real one would only make the tests slow. */
static int failing_sync(int fd)
{
    pthread_mutex_lock(&one_call);
    int status = now() ? -1 : 0, why = errno;
    if (status < 0 && fault == FAULT_TORN)
        lose_unsynced(fd);
    synced(fd);
    pthread_mutex_unlock(&one_call);
    errno = why;
    return status;
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static int failing_unlink(const char *path)
{
    pthread_mutex_lock(&one_call);
    int status = now() ? -1 : unlink(path);
    pthread_mutex_unlock(&one_call);
    return status;
}

static const struct wal_file_ops failing = {.open = failing_open,
                                            .pread = failing_pread,
                                            .pwrite = failing_pwrite,
                                            .fdatasync = failing_sync,
                                            .fsync = failing_sync,
                                            .close = close,
                                            .unlink = failing_unlink};
static struct wal_file_ops quick; /* the real ones but for the syncs */

/* All records stay open: every change of segment copies them. */
static struct seen seen;
static _Atomic uint32_t entered;

static void snapshot_entered(void *arg, struct wal_snapshot *out)
{
    uint8_t payload[PAD + 64];
    (void)arg;
    for (uint32_t i = 0; i < entered; i++)
        wal_snapshot_add(out, i % 2 ? TYPE_B : TYPE_A, payload, numbered_payload(payload, i, PAD));
}

static void publish(void *arg, wal_pos durable)
{
    (void)arg;
    shared->durable = durable;
}

static struct wal_options options_of(const struct place *place, const struct wal_file_ops *ops)
{
    struct wal_options options = options_for(place, &seen);
    options.on_snapshot = snapshot_entered;
    options.on_durable = publish;
    options.max_bytes = 8 * 1024 * 1024;
    options.ops = ops;
    return options;
}

static void make_old_log(const struct place *place)
{
    struct wal_options options = options_of(place, &quick);
    entered = 0;
    seen = (struct seen){.pad = PAD};
    struct wal *wal = log_begin(&options);
    while (entered < OLD)
        append_numbered(wal, entered++, PAD, false);
    wal_close(wal);
}

/* The process that fails: reads the old log, starts, appends over changes of segment, waiting now and then. */
static void child(const struct place *place, const struct wal_file_ops *ops)
{
    struct wal_options options = options_of(place, ops);
    struct wal_error error;
    struct wal *wal;
    entered = OLD;
    seen = (struct seen){.pad = PAD};
    if (wal_open(&wal, &options, &error) != WAL_OK || wal_start(wal, &error) != WAL_OK)
        _exit(REFUSED);
    shared->durable = shared->base = wal_durable(wal);
    for (uint32_t i = OLD; i < OLD + RECORDS; i++) {
        entered = i + 1;
        wal_pos pos = append_numbered(wal, i, PAD, i % 4 == 1);
        if (i % 4 == 3)
            wal_wait(wal, pos);
    }
    wal_close(wal);
    _exit(0);
}

/* Forks the process, answers its exit status (-1: killed by a signal). */
static int run_child(const struct place *place, const struct wal_file_ops *ops, const char *failpoint)
{
    int status;
    memset(shared, 0, sizeof *shared);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        log_set_level(LOG_LEVEL_ERROR + 1); /* dying is what it is here for */
#ifdef ENABLE_FAILPOINTS
        if (failpoint && failpoint_arm(failpoint) < 0)
            _exit(98);
#else
        (void)failpoint;
#endif
        child(place, ops);
    }
    if (waitpid(pid, &status, 0) != pid)
        abort();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Every old record and every one published durable is there; nothing else than what was appended. Then the log goes on. */
static bool survives(const struct place *place)
{
    struct wal_options options = options_of(place, &quick);
    uint64_t durable = shared->durable, end = shared->base;
    seen = (struct seen){.pad = PAD};
    entered = OLD + RECORDS;
    struct wal *wal = log_begin(&options);
    bool good = !seen.wrong;
    for (uint32_t i = 0; i < OLD; i++)
        good &= seen.times[i] > 0;
    for (uint32_t i = OLD; i < OLD + RECORDS; i++) {
        uint8_t payload[PAD + 64];
        end += WAL_RECORD_HEADER + numbered_payload(payload, i, PAD);
        good &= seen.times[i] > 0 || end > durable;
    }
    for (unsigned i = 0; i < seen.n; i++)
        good &= seen.order[i] < OLD + RECORDS;
    wal_wait(wal, append_numbered(wal, 0, PAD, false));
    wal_close(wal);
    return good;
}

static void every_call_fails_once(enum fault kind)
{
    struct place place;
    unsigned cases = 0, deaths = 0, refusals = 0;
    fault = kind;
    do {
        place_make(&place);
        make_old_log(&place);
        fail_at = (int)++cases;
        int status = run_child(&place, &failing, NULL);
        deaths += status == 70 || status == POWER_LOST;
        refusals += status == REFUSED;
        bool expected = status == 0 || (kind >= FAULT_POWER ? status == POWER_LOST : status == 70 || status == REFUSED);
        if (!expected || !survives(&place)) {
            fprintf(stderr, "fault %d at call %u: exit %d\n", kind, cases, status);
            CU_FAIL("a wrong outcome");
        }
        place_remove(&place);
    } while (shared->fired);
    CU_ASSERT(cases > 40); /* the whole life was gone through, until no call was left to fail */
    CU_ASSERT(deaths > 5);
    CU_ASSERT(kind >= FAULT_POWER || refusals > 3);
}

static void every_call_fails_with_eio(void) { every_call_fails_once(FAULT_EIO); }
static void every_call_fails_with_enospc(void) { every_call_fails_once(FAULT_ENOSPC); }
static void every_call_is_cut_short(void) { every_call_fails_once(FAULT_SHORT); }
static void every_write_is_torn(void) { every_call_fails_once(FAULT_TORN); }
static void power_fails_at_every_call(void) { every_call_fails_once(FAULT_POWER); }
static void power_fails_and_tears_every_write(void) { every_call_fails_once(FAULT_POWER_HALF); }

#ifdef ENABLE_FAILPOINTS
static void crash_at(const char *point, int nth, int *crashed)
{
    struct place place;
    char spec[64];
    snprintf(spec, sizeof spec, "%s:%d:crash", point, nth);
    place_make(&place);
    make_old_log(&place);
    int status = run_child(&place, &quick, spec);
    *crashed += status == 137;
    if ((status != 0 && status != 137) || !survives(&place)) {
        fprintf(stderr, "crash point %s: exit %d\n", spec, status);
        CU_FAIL("a wrong outcome");
    }
    place_remove(&place);
}

static void a_crash_at_every_point_loses_nothing(void)
{
    static const char *const points[] = {"log_written", "log_synced", "segment_created", "segment_dirsync",
                                         "checkpoint",  "recovery_read", "recovery_epoch"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        int crashed = 0;
        for (int nth = 1; nth <= 3; nth++)
            crash_at(points[i], nth, &crashed);
        CU_ASSERT(crashed >= 1);
    }
}
#endif

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    quick = wal_file_real;
    quick.fdatasync = quick.fsync = no_sync;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 99;
    return unit_main("wal faults", (const struct unit_test[]){
        {"every call fails with EIO", every_call_fails_with_eio},
        {"every call fails with ENOSPC", every_call_fails_with_enospc},
        {"every call is cut short", every_call_is_cut_short},
        {"every write is torn, what a failed sync held is lost", every_write_is_torn},
        {"power fails at every call, what was not synced is lost", power_fails_at_every_call},
        {"power fails at every call, what was not synced is half lost", power_fails_and_tears_every_write},
#ifdef ENABLE_FAILPOINTS
        {"a crash at every point loses nothing", a_crash_at_every_point_loses_nothing},
#endif
        {NULL, NULL}});
}
