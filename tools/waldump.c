/* waldump: prints and verifies a transaction log offline. Opens files for reading only and takes no lock, so it may look at
 * the log of a running xaproxy. Leaves judging to wal/reader.h and words to payload_text.c. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tools/payload_text.h"
#include "wal/reader.h"

enum exit_code { EXIT_OK = 0, EXIT_DAMAGED = 1, EXIT_USAGE = 2 };

/* A batch that is just being written looks like damage: looked at so often, with a pause, before it is called so. */
#define LOOKS 4
#define PAUSE_MS 50

static const char help[] =
    "Usage: waldump [--verify] DIRECTORY|SEGMENT\n"
    "Prints the transaction log of xaproxy, a record a line, and verifies it. Changes nothing, takes no lock.\n"
    "\n"
    "  --verify    only the verdict, no records\n"
    "  --help      this text\n"
    "  --version   the version\n"
    "\n"
    "A line: position in the log, offset in the file, epoch, type (\"copy\" where the head of a segment repeats what was\n"
    "still open), then what the record says.\n"
    "Exit status: 0 the log is sound, 1 it is damaged, 2 it cannot be read or the command line makes no sense.\n";

static void print_record(const struct wal_entry *entry, struct buf *line)
{
    const struct wal_record_header *h = &entry->header;
    const char *type = record_type_text(h->type);
    bool copy = (h->flags & WAL_RECORD_IN_HEAD) && entry->offset > 0;
    buf_clear(line);
    buf_printf(line, "position=%" PRIu64 " offset=%" PRIu64 " epoch=%" PRIu64, h->position, entry->offset, h->epoch);
    if (type)
        buf_printf(line, " %s", type);
    else
        buf_printf(line, " type=%u", h->type);
    buf_text(line, copy ? " copy" : "");
    payload_text(line, h->type, entry->payload);
    puts(buf_cstr(line));
}

static void print_records(struct slice bytes, uint64_t id)
{
    struct wal_walk walk;
    struct wal_entry entry;
    struct buf line = {0};
    wal_walk_start(&walk, bytes, id);
    while (wal_walk_next(&walk, &entry))
        print_record(&entry, &line);
    buf_fini(&line);
}

static bool all_zero(struct slice bytes)
{
    return !bytes.len || (!*bytes.at && !memcmp(bytes.at, bytes.at + 1, bytes.len - 1));
}

/* What one segment says of itself; whether a segment without a whole head is damage only its neighbours tell. */
static bool print_scan(const struct wal_scan *scan, struct slice bytes)
{
    const char *state = scan->head_ok ? "begun" : all_zero(bytes) ? "made ahead, not begun" : "its head is not whole";
    wal_pos end = wal_walk_position(&scan->walk);
    bool sound = scan->durable <= end && (scan->head_ok || !scan->stray_body);
    printf("end offset=%" PRIu64 " position=%" PRIu64 " records=%" PRIu64 " durable=%" PRIu64 " state=\"%s\"%s\n",
           scan->walk.offset, end, scan->records, scan->durable, state,
           sound ? "" : " DAMAGED: records behind the end prove that more was durable");
    return sound;
}

/* Reads, prints, judges one file. */
static enum exit_code dump_segment(const struct wal_dir *dir, uint64_t id, bool records)
{
    char name[WAL_NAME_MAX];
    struct buf bytes = {0};
    struct wal_scan scan;
    wal_segment_name(name, id);
    if (wal_file_read(dir, name, &bytes) < 0) {
        fprintf(stderr, "waldump: cannot read %s/%s: %s\n", dir->path, name, strerror(errno));
        buf_fini(&bytes);
        return EXIT_USAGE;
    }
    struct slice all = {buf_at(&bytes), buf_len(&bytes)};
    printf("segment file=%s bytes=%zu\n", name, all.len);
    if (records)
        print_records(all, id);
    wal_scan(all, id, &scan);
    bool sound = print_scan(&scan, all);
    buf_fini(&bytes);
    return sound ? EXIT_OK : EXIT_DAMAGED;
}

static void dump_segments(const struct wal_dir *dir)
{
    struct wal_listing listing;
    struct wal_error error;
    if (wal_dir_list(dir, &listing, &error) != WAL_OK)
        return; /* the verdict says why */
    for (size_t i = 0; i < listing.n; i++)
        dump_segment(dir, listing.segment[i], true);
    wal_listing_fini(&listing);
}

static enum exit_code print_found(const struct wal_dir *dir, const struct wal_found *found)
{
    char name[WAL_NAME_MAX];
    if (!found->exists) {
        fprintf(stderr, "waldump: %s holds no log: it lies in data_dir/log\n", dir->path);
        return EXIT_USAGE;
    }
    wal_segment_name(name, found->live);
    printf("sound: log=%s epoch=%" PRIu64 " segment=%s offset=%" PRIu64 " position=%" PRIu64 "\n", found->log_id,
           found->epoch, name, found->end_offset, found->end);
    return EXIT_OK;
}

static enum exit_code dump_directory(const struct wal_dir *dir, bool records)
{
    struct wal_found found;
    struct wal_error error;
    enum wal_status status = wal_find(dir, &found, &error);
    for (int look = 1; status == WAL_CORRUPT && look < LOOKS; look++) {
        clock_sleep_ms(PAUSE_MS);
        status = wal_find(dir, &found, &error);
    }
    if (records)
        dump_segments(dir);
    if (status != WAL_OK) {
        fprintf(stderr, "waldump: %s%s\n", status == WAL_CORRUPT ? "DAMAGED: " : "", error.text);
        return status == WAL_CORRUPT ? EXIT_DAMAGED : EXIT_USAGE;
    }
    enum exit_code code = print_found(dir, &found);
    wal_found_fini(&found);
    return code;
}

/* Splits the path of a segment's file into its directory and its name. */
static enum exit_code dump_file(char *path, bool records)
{
    char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    uint64_t id;
    if (!wal_segment_parse_name(name, &id)) {
        fprintf(stderr, "waldump: %s is not named as a segment is (00000001-89abcdef.wal)\n", path);
        return EXIT_USAGE;
    }
    if (slash)
        *slash = '\0';
    struct wal_dir dir = {slash ? path : ".", &wal_file_real};
    return dump_segment(&dir, id, records);
}

static enum exit_code dump(char *path, bool records)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        fprintf(stderr, "waldump: %s: %s\n", path, strerror(errno));
        return EXIT_USAGE;
    }
    struct wal_dir dir = {path, &wal_file_real};
    return S_ISDIR(st.st_mode) ? dump_directory(&dir, records) : dump_file(path, records);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"verify", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    bool records = true;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'v':
            records = false;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_OK;
        case 'V':
            puts("waldump " PACKAGE_VERSION);
            return EXIT_OK;
        default:
            return EXIT_USAGE;
        }
    }
    if (argc - optind != 1) {
        fputs(help, stderr);
        return EXIT_USAGE;
    }
    return dump(argv[optind], records);
}
