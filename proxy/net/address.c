/* Text to address and back, and the table of names that were looked up. */
#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/list.h"

/* One row a configured name; never removed, so the table is as small as the configuration. */
struct known_name {
    struct list link;
    struct sockaddr_storage address;
    socklen_t len;
    char host[];
};
static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list names = LIST_INIT(names);

static struct known_name *find_name(const char *host)
{
    LIST_FOR(m, &names) {
        struct known_name *known = CONTAINER_OF(m, struct known_name, link);
        if (!strcmp(known->host, host))
            return known;
    }
    return NULL;
}

static void remember(const char *host, const struct sockaddr *address, socklen_t len)
{
    pthread_mutex_lock(&names_lock);
    struct known_name *known = find_name(host);
    if (!known) {
        known = calloc(1, sizeof *known + strlen(host) + 1);
        CHECK(known);
        strcpy(known->host, host);
        list_push_back(&names, &known->link);
    }
    memcpy(&known->address, address, len);
    known->len = len;
    pthread_mutex_unlock(&names_lock);
}

static bool recall(const char *host, struct sockaddr_storage *out, socklen_t *len)
{
    pthread_mutex_lock(&names_lock);
    struct known_name *known = find_name(host);
    if (known) {
        *out = known->address;
        *len = known->len;
    }
    pthread_mutex_unlock(&names_lock);
    return known;
}

/* Numeric only: no name service is asked, so this never waits. Scope ids ("fe80::1%eth0") are why it is getaddrinfo. */
static bool parse_numeric(const char *host, struct sockaddr_storage *out, socklen_t *len)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, NULL, &hints, &found))
        return false;
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool net_address_is_numeric(const char *host)
{
    struct sockaddr_storage address;
    socklen_t len;
    return parse_numeric(host, &address, &len);
}

int net_resolve(const char *host, char *why, size_t why_size)
{
    if (host[0] == '/' || net_address_is_numeric(host))
        return 0;
    struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM}, *found;
    int err = getaddrinfo(host, NULL, &hints, &found);
    if (err) {
        snprintf(why, why_size, "cannot resolve \"%s\": %s", host,
                 err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
        return -1;
    }
    remember(host, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

static void set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons(port);
}

int net_address(const char *host, uint16_t port, struct sockaddr_storage *out, socklen_t *len, char *why,
                size_t why_size)
{
    memset(out, 0, sizeof *out);
    if (!parse_numeric(host, out, len) && !recall(host, out, len)) {
        snprintf(why, why_size, "the name \"%s\" has not been resolved", host);
        return -1;
    }
    set_port(out, port);
    return 0;
}

int net_address_unix(const char *path, struct sockaddr_storage *out, socklen_t *len, char *why, size_t why_size)
{
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    memset(out, 0, sizeof *out);
    if (strlen(path) >= sizeof un->sun_path) {
        snprintf(why, why_size, "the socket path \"%.40s...\" is longer than %zu bytes", path, sizeof un->sun_path - 1);
        return -1;
    }
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    *len = sizeof *un;
    return 0;
}

uint16_t net_address_text(const struct sockaddr_storage *address, char *out, size_t out_size)
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in4->sin_addr, out, (socklen_t)out_size);
        return ntohs(in4->sin_port);
    }
    if (address->ss_family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out, (socklen_t)out_size);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, out, (socklen_t)out_size);
        return ntohs(in6->sin6_port);
    }
    snprintf(out, out_size, "unix");
    return 0;
}
