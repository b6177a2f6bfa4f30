#include "kubefile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/buf.h"
#include "calls.h"
#include "net/file.h"

enum { TEXT_BYTES = 32768 };

void kubefile_write(const char *name, const char *text)
{
    FILE *f = fopen(badserver_file(&calls.server, name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct kube *client_of(const char *server, const char *cluster, const char *user)
{
    static char text[TEXT_BYTES];
    struct kube *k = NULL;
    struct err e;
    (void)snprintf(text, sizeof text,
                   "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
                   "contexts:\n- name: test\n  context: {cluster: c, user: u, namespace: shop}\n"
                   "clusters:\n- name: c\n  cluster: {server: '%s'%s}\n"
                   "users:\n- name: u\n  user: %s%s%s\n",
                   server, cluster, user[0] == '{' ? "" : "{", user, user[0] == '{' ? "" : "}");
    kubefile_write("kubeconfig", text);
    const struct kube_config c = {.kubeconfig = badserver_file(&calls.server, "kubeconfig")};
    if (kube_new(calls.client, &c, &k, &e) != 0) {
        fail_msg("%s", e.text);
    }
    return k;
}

struct kube *kubefile_client(const char *scenario, const char *user)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/kube/%s", scenario);
    return client_of(calls_url("http", calls.server.http, path), "", user);
}

/* `key`-data: the file's content in base64. */
static void add_data(struct buf *out, const char *key, const char *name)
{
    static unsigned char encoded[TEXT_BYTES / 4];
    struct buf file;
    struct err e;
    buf_init(&file, TEXT_BYTES / 8);
    assert_int_equal(file_read(badserver_file(&calls.server, name), &file, &e), 0);
    (void)EVP_EncodeBlock(encoded, (const unsigned char *)file.ptr, (int)file.len);
    buf_format(out, "%s%s-data: '%s'", out->len > 0 ? ", " : "", key, (const char *)encoded);
    buf_free(&file);
}

struct kube *kubefile_mtls(const char *form)
{
    struct buf cluster, user;
    buf_init(&cluster, TEXT_BYTES / 4);
    buf_init(&user, TEXT_BYTES / 4);
    if (strcmp(form, "data") == 0) {
        buf_append_char(&cluster, ' ');
        add_data(&cluster, "certificate-authority", "ca.crt");
        add_data(&user, "client-certificate", "client.crt");
        add_data(&user, "client-key", "client.key");
    } else {
        buf_append(&cluster, STR(", certificate-authority: ca.crt"));
        buf_append(&user, STR("client-certificate: client.crt, client-key: client.key"));
    }
    buf_append_char(&cluster, '\0');
    buf_append_char(&user, '\0');
    struct kube *k =
        client_of(calls_url("https", calls.server.mtls, "/kube/echo"), cluster.ptr, user.ptr);
    buf_free(&cluster);
    buf_free(&user);
    return k;
}
