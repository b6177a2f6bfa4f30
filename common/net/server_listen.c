#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/num.h"
#include "net/server_internal.h"

enum { BACKLOG = 1024, HOST_MAX_BYTES = 256 };

struct address {
    char host[HOST_MAX_BYTES]; /* empty: any */
    char port[8];
    int family;
};

/* "HOST:PORT", "[V6]:PORT" or ":PORT". */
static int split(const char *text, struct address *out, struct err *e)
{
    const struct str whole = str_from(text);
    size_t colon = whole.len;
    while (colon > 0 && whole.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return err_set(e, ERR_INVALID, "listen address \"%s\": expected ADDRESS:PORT or :PORT",
                       text);
    }

    struct str host = str_slice(whole, 0, colon - 1);
    const struct str port = str_slice(whole, colon, whole.len);
    int64_t number = 0;
    if (num_int(port, 0, 65535, &number, e) != 0) {
        return err_prefix(e, "listen address \"%s\": port", text);
    }
    if (str_starts(host, STR("[")) && str_ends(host, STR("]"))) {
        host = str_slice(host, 1, host.len - 1);
    }
    if (host.len >= sizeof(out->host)) {
        return err_set(e, ERR_INVALID, "listen address \"%s\": the host is too long", text);
    }

    (void)fmt(out->host, sizeof(out->host), "%.*s", STR_ARG(host));
    (void)fmt(out->port, sizeof(out->port), "%d", (int)number);
    out->family = host.len == 0 ? AF_INET6 : AF_UNSPEC;
    return 0;
}

static int open_one(const struct addrinfo *ai)
{
    const int on = 1;
    const int off = 0;
    const int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        const int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int try_family(const struct address *a, int family, int *out_fd, struct err *e)
{
    const struct addrinfo hints = {
        .ai_family = family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    const int failed = getaddrinfo(a->host[0] != '\0' ? a->host : NULL, a->port, &hints, &found);
    if (failed != 0) {
        return err_set(e, ERR_INVALID, "listen address \"%s\": %s", a->host, gai_strerror(failed));
    }

    const int fd = open_one(found);
    const int saved = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        return err_set(e, ERR_IO, "listen on %s:%s: %s", a->host, a->port, strerrordesc_np(saved));
    }
    *out_fd = fd;
    return 0;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0) {
        return 0;
    }
    if (a.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &a, sizeof(v6));
        return ntohs(v6.sin6_port);
    }
    struct sockaddr_in v4;
    memcpy(&v4, &a, sizeof(v4));
    return ntohs(v4.sin_port);
}

int server_listen_open(const char *address, int *out_fd, uint16_t *out_port, struct err *e)
{
    struct address a = {0};
    int fd = -1;
    if (split(address, &a, e) != 0) {
        return -1;
    }
    if (try_family(&a, a.family, &fd, e) != 0) {
        /* ":PORT" means both families, but a kernel may be without IPv6. */
        if (a.family != AF_INET6 || e->code != ERR_IO || try_family(&a, AF_INET, &fd, e) != 0) {
            return -1;
        }
    }
    *out_fd = fd;
    *out_port = bound_port(fd);
    return 0;
}
