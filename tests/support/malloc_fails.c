/* Preloaded into a program: the n-th allocation from now on finds no memory. A file says which: two 64-bit numbers, how many are
 * to come until it (0: none fails) and how many there were. Leaves what must be true then to the test that writes it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *at, size_t size);

static struct { int64_t left, seen; } nothing, *control = &nothing;

__attribute__((constructor)) static void read_control(void)
{
    const char *path = getenv("MALLOC_FAILS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at != MAP_FAILED)
        control = at;
    if (fd >= 0)
        close(fd);
}

static int fails(void)
{
    __atomic_add_fetch(&control->seen, 1, __ATOMIC_RELAXED);
    int64_t left = __atomic_load_n(&control->left, __ATOMIC_RELAXED);
    while (left > 0)
        if (__atomic_compare_exchange_n(&control->left, &left, left - 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            if (left == 1)
                errno = ENOMEM;
            return left == 1;
        }
    return 0;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *at, size_t size)
{
    return fails() ? NULL : __libc_realloc(at, size);
}
