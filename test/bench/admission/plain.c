/* H2O with nothing behind it: it receives a POST over TLS, to the last byte of its body, and
 * answers with a file, always the same one of a path.
 *
 *     bench_h2o CERTIFICATE KEY PATH=FILE...
 *
 * The least that an admission webhook on H2O could cost. Its port of loopback is printed first; it
 * runs until its standard input ends.
 */
#include <arpa/inet.h>
#include <h2o.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_BYTES = 4 << 20, BACKLOG = 128, BODY_BYTES = 16 << 20, ROUND_MS = 100 };
enum { KEEP_BYTES = 2 << 20 };

struct route {
    h2o_handler_t super;
    h2o_iovec_t answer;
};

struct plain {
    h2o_globalconf_t config;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    bool over;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static h2o_iovec_t contents(const char *path)
{
    FILE *file = fopen(path, "rbe");
    char *bytes = malloc(ANSWER_BYTES);
    if (file == NULL || bytes == NULL) {
        die(path);
    }
    const size_t len = fread(bytes, 1, ANSWER_BYTES, file);
    (void)fclose(file);
    return h2o_iovec_init(bytes, len);
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    const struct route *route = (const struct route *)self;
    if (req->entity.len == 0 || req->entity.base[req->entity.len - 1] != '}') {
        h2o_send_error_400(req, "Bad Request", "expected JSON", 0);
        return 0;
    }
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = route->answer.len;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("application/json"));
    h2o_send_inline(req, route->answer.base, route->answer.len);
    return 0;
}

static void add_route(h2o_hostconf_t *host, char *path_and_file)
{
    char *file = strchr(path_and_file, '=');
    if (file == NULL) {
        (void)fprintf(stderr, "bench_h2o: expected PATH=FILE\n");
        exit(2);
    }
    *file++ = '\0';
    h2o_pathconf_t *path = h2o_config_register_path(host, path_and_file, 0);
    struct route *route = (struct route *)h2o_create_handler(path, sizeof(*route));
    route->super.on_req = on_request;
    route->answer = contents(file);
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct plain *p = listener->data;
    h2o_socket_t *sock = error == NULL ? h2o_evloop_socket_accept(listener) : NULL;
    if (sock != NULL) {
        h2o_accept(&p->accept, sock);
    }
}

static void on_stdin(h2o_socket_t *sock, const char *error)
{
    struct plain *p = sock->data;
    char rest[64];
    (void)error;
    if (read(STDIN_FILENO, rest, sizeof(rest)) <= 0) {
        p->over = true;
        h2o_socket_read_stop(sock);
    }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        die("listen");
    }
    (void)printf("%u\n", (unsigned)ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

static SSL_CTX *tls(const char *certificate, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "bench_h2o: %s, %s: not a pair\n", certificate, key);
        exit(1);
    }
    return ctx;
}

int main(int argc, char *argv[])
{
    if (argc < 4) {
        (void)fprintf(stderr, "usage: bench_h2o CERTIFICATE KEY PATH=FILE...\n");
        return 2;
    }
    /* The memory of one body is there for the next; else each of 100 KiB would be faulted in anew.
     */
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    struct plain p = {.over = false};
    h2o_config_init(&p.config);
    p.config.max_request_entity_size = BODY_BYTES;
    h2o_hostconf_t *host =
        h2o_config_register_host(&p.config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    for (int i = 3; i < argc; i++) {
        add_route(host, argv[i]);
    }
    h2o_loop_t *loop = h2o_evloop_create();
    h2o_context_init(&p.context, loop, &p.config);
    p.accept = (h2o_accept_ctx_t){
        .ctx = &p.context, .hosts = p.config.hosts, .ssl_ctx = tls(argv[1], argv[2])};
    h2o_socket_t *listener =
        h2o_evloop_socket_create(loop, listen_on_loopback(), H2O_SOCKET_FLAG_DONT_READ);
    listener->data = &p;
    h2o_socket_read_start(listener, on_accept);
    h2o_socket_t *end =
        h2o_evloop_socket_create(loop, dup(STDIN_FILENO), H2O_SOCKET_FLAG_DONT_READ);
    end->data = &p;
    h2o_socket_read_start(end, on_stdin);
    while (!p.over && h2o_evloop_run(loop, ROUND_MS) == 0) {
    }
    return 0;
}
