/* CRC32C (Castagnoli): the check sum of log records. */
#ifndef WAL_CRC32C_H
#define WAL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t wal_crc32c(const void *bytes, size_t n);
/* The way for processors without the instruction; the same value. Separate so that a test can compare both. */
uint32_t wal_crc32c_table(const void *bytes, size_t n);

#endif
