/* How this folder says what went wrong, to a person. */
#ifndef WAL_ERROR_H
#define WAL_ERROR_H

#include "wal/wal.h"

/* Fills `error` and returns `status`. */
enum wal_status wal_error_set(struct wal_error *error, enum wal_status status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same from errno: WAL_NO_SPACE where the disk or quota is full or no descriptor is left, else WAL_IO. `name` may be NULL;
 * errno stays. */
enum wal_status wal_error_errno(struct wal_error *error, const char *doing, const char *dir, const char *name);

/* A log that cannot be written ends the process: nothing that waits was told "no", and recovery reads what is there. */
_Noreturn void wal_die(const struct wal_error *error);

#endif
