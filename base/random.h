/* Unpredictable bytes from the kernel. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

void random_bytes(void *out, size_t n);
/* n <= 32 bytes as 2n lower-case hex digits and a NUL into `out`. */
void random_hex(char *out, size_t n_bytes);

#endif
