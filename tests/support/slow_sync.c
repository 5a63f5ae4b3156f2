/* Preloaded into the proxy: as long as the file that SLOW_SYNC names is there its log does not hear that what it wrote is safe. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    const char *slow = getenv("SLOW_SYNC");
    int status = real(fd);
    while (slow && access(slow, F_OK) == 0)
        usleep(10000);
    return status;
}
