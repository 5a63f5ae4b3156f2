/* Preloaded into the proxy or a server: as long as the file that SLOW_SYNC names is there it does not hear that what it wrote is
 * safe. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int slowly(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *slow = getenv("SLOW_SYNC");
    int status = real(fd);
    while (slow && access(slow, F_OK) == 0)
        usleep(10000);
    return status;
}

int fdatasync(int fd)
{
    return slowly("fdatasync", fd);
}

int fsync(int fd)
{
    return slowly("fsync", fd);
}
