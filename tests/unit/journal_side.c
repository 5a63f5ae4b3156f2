/* The fixture of the programs about the journal. */
#include "tests/unit/journal_side.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char node[] = "unit";
struct config side_config = {.node = node, .data_dir = folder, .wal_segment_bytes = 65536};
struct journal *journal;

static void start(void)
{
    struct wal_error error;
    journal = journal_open(&side_config, NULL, NULL, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(journal);
    CU_ASSERT_EQUAL_FATAL(journal_start(journal, &error), WAL_OK);
}

void side_restart(void)
{
    journal_close(journal);
    start();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void side_begin(void)
{
    char log_dir[80];
    snprintf(folder, sizeof folder, "/tmp/test-journal-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(log_dir, sizeof log_dir, "%s/log", folder);
    CU_ASSERT_EQUAL_FATAL(mkdir(log_dir, 0700), 0);
    start();
}

void side_end(void)
{
    journal_close(journal);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
