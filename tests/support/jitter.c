/* Preloaded into the proxy: threads that hesitate, as on a machine with more to do than it can. JITTER=ONE_IN,MICROSECONDS: one in
 * so many of its exchanges with the world is followed by a rest of up to that long, before anything that the code does next. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static unsigned one_in, most_us;

__attribute__((constructor)) static void begin(void)
{
    const char *how = getenv("JITTER");
    if (!how || sscanf(how, "%u,%u", &one_in, &most_us) != 2 || !most_us)
        one_in = 0;
}

static void hesitate(void)
{
    static __thread uint64_t state;
    if (!one_in)
        return;
    if (!state) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        state = (uint64_t)now.tv_nsec << 20 ^ (uintptr_t)&now ^ 1;
    }
    state ^= state << 13, state ^= state >> 7, state ^= state << 17; /* xorshift64 */
    if (state % one_in)
        return;
    int error = errno;
    usleep((unsigned)((state >> 24) % most_us));
    errno = error;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

ssize_t send(int fd, const void *from, size_t n, int flags)
{
    ssize_t sent = REAL(send)(fd, from, n, flags);
    hesitate();
    return sent;
}

ssize_t recv(int fd, void *into, size_t n, int flags)
{
    ssize_t got = REAL(recv)(fd, into, n, flags);
    hesitate();
    return got;
}

int accept4(int fd, struct sockaddr *peer, socklen_t *n, int flags)
{
    int accepted = REAL(accept4)(fd, peer, n, flags);
    hesitate();
    return accepted;
}

int shutdown(int fd, int how)
{
    int status = REAL(shutdown)(fd, how);
    hesitate();
    return status;
}

int fdatasync(int fd)
{
    int status = REAL(fdatasync)(fd);
    hesitate();
    return status;
}
