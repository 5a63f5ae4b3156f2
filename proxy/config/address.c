/* "address:port" in one word, as lists of servers have it. */
#include <stdlib.h>
#include <string.h>

#include "proxy/config/config.h"

#define HOST_MAX 256

static bool read_port(const char *text, int *port)
{
    char *end;
    long n = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
    *port = (int)n;
    return n > 0 && n <= UINT16_MAX && !*end;
}

bool config_address_read(const char *text, char *host, int *port)
{
    bool brackets = *text == '[';
    const char *begin = text + brackets, *end = strchr(begin, brackets ? ']' : ':');
    const char *colon = end ? end + brackets : NULL;
    if (!end || end == begin || end - begin >= HOST_MAX || *colon != ':' || *begin == '/')
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    return read_port(colon + 1, port);
}
