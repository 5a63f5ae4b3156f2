/* Preloaded into a server: a TLS connection ends half a second late. In MariaDB that is after its thread has left the list of
 * processes and before InnoDB lets go of its transaction. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

void SSL_free(void *connection);
void SSL_free(void *connection)
{
    void (*real)(void *) = (void (*)(void *))dlsym(RTLD_NEXT, "SSL_free");
    usleep(500000);
    real(connection);
}
