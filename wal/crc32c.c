/* CRC32C by the processor's own instruction where it has one, else by table. Leaves what is covered to record.c. */
#include "wal/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* Castagnoli, bits reversed */

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        table[i] = crc;
    }
}

uint32_t wal_crc32c_table(const void *bytes, size_t n)
{
    pthread_once(&once, make_table);
    uint32_t crc = ~0u;
    for (const uint8_t *p = bytes; n--; p++)
        crc = crc >> 8 ^ table[(crc ^ *p) & 0xff];
    return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(const uint8_t *p, size_t n)
{
    uint64_t crc = ~0u;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; n; n--)
        crc = __builtin_ia32_crc32qi((uint32_t)crc, *p++);
    return ~(uint32_t)crc;
}

uint32_t wal_crc32c(const void *bytes, size_t n)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(bytes, n) : wal_crc32c_table(bytes, n);
}
#else
uint32_t wal_crc32c(const void *bytes, size_t n)
{
    return wal_crc32c_table(bytes, n);
}
#endif
