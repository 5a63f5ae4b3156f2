/* Group commit without a thread of its own: whoever finds nobody syncing syncs for all. Leaves reading it back to
 * nobody: it is here for its cost. */
#include "bench/decision_log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/die.h"

enum { FILE_SIZE = 16 << 20, RECORD_SIZE = 64 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t synced;
    int fd;
    uint64_t appended, durable; /* records */
    bool syncing;
} decisions = {.lock = PTHREAD_MUTEX_INITIALIZER, .synced = PTHREAD_COND_INITIALIZER};

/* Zeros now, so that no sync has to write the file's size or its map later. */
void decision_log_open(const char *path)
{
    decisions.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *zeros = calloc(1, FILE_SIZE);
    if (decisions.fd < 0 || !zeros || write(decisions.fd, zeros, FILE_SIZE) != FILE_SIZE || fsync(decisions.fd))
        die_errno(path);
    free(zeros);
}

static void sync_for_all(void)
{
    uint64_t covered = decisions.appended;
    decisions.syncing = true;
    pthread_mutex_unlock(&decisions.lock);
    if (fdatasync(decisions.fd))
        die_errno("syncing the decision");
    pthread_mutex_lock(&decisions.lock);
    decisions.syncing = false;
    decisions.durable = covered;
    pthread_cond_broadcast(&decisions.synced);
}

void decision_log_write(const char *gtrid)
{
    char record[RECORD_SIZE] = {0};
    strncpy(record, gtrid, sizeof record - 1);
    pthread_mutex_lock(&decisions.lock);
    uint64_t mine = decisions.appended++;
    if (pwrite(decisions.fd, record, sizeof record, (off_t)(mine * RECORD_SIZE % FILE_SIZE)) != RECORD_SIZE)
        die_errno("writing the decision");
    while (decisions.durable <= mine)
        if (decisions.syncing)
            pthread_cond_wait(&decisions.synced, &decisions.lock);
        else
            sync_for_all();
    pthread_mutex_unlock(&decisions.lock);
}
