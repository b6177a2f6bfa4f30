#include "net/common_flags.h"

#include <curl/curl.h>
#include <errno.h>
#include <h2o/version.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/fmt.h"
#include "base/version.h"
#include "net/loop.h"

enum { SHARED_ROWS_MAX = 24, TEXT_MAX_BYTES = 65536 };

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const formats[] = {"json", "text", NULL};
static const char *const sigv4_modes[] = {"auto", "on", "off", NULL};

static size_t query_rows(struct common_flags *c, struct flag *rows)
{
    const struct flag set[] = {
        {.name = "endpoint",
         .kind = FLAG_STR,
         .out = &c->endpoint,
         .argument = "URL",
         .help = "Base URL to query; /api/v1/... is appended. Excludes --workspace."},
        {.name = "workspace",
         .kind = FLAG_STR,
         .out = &c->workspace,
         .argument = "WS",
         .help = "AMP workspace to query (ws-...); needs --region or AWS_REGION."},
        {.name = "region",
         .kind = FLAG_STR,
         .out = &c->region,
         .argument = "REGION",
         .help = "AWS region of the workspace and of signatures."},
        {.name = "ca-file",
         .kind = FLAG_STR,
         .out = &c->ca_file,
         .argument = "FILE",
         .default_text = "the system's",
         .help = "PEM bundle that the endpoint's certificate must chain to."},
        {.name = "sigv4",
         .kind = FLAG_CHOICE,
         .out = &c->sigv4,
         .argument = "MODE",
         .default_text = "auto",
         .help = "Sign queries with AWS SigV4; auto signs for AMP's hosts only.",
         .choices = sigv4_modes},
        {.name = "allow-endpoint",
         .kind = FLAG_LIST,
         .out = &c->allow_endpoint,
         .argument = "URL",
         .help = "Another endpoint that annotations may name; repeatable."},
        {.name = "allow-workspace",
         .kind = FLAG_LIST,
         .out = &c->allow_workspace,
         .argument = "WS",
         .help = "Another workspace that annotations may name; repeatable."},
        {.name = "allow-role",
         .kind = FLAG_LIST,
         .out = &c->allow_role,
         .argument = "ARN",
         .help = "Another role that annotations may name; repeatable."},
    };
    memcpy(rows, set, sizeof(set));
    return sizeof(set) / sizeof(set[0]);
}

static size_t aws_rows(struct common_flags *c, struct flag *rows)
{
    const struct flag set[] = {
        {.name = "role-arn",
         .kind = FLAG_STR,
         .out = &c->role_arn,
         .argument = "ARN",
         .help = "IAM role to sign as, assumed on top of the credentials found."},
        {.name = "web-identity-token-file",
         .kind = FLAG_STR,
         .out = &c->web_identity_token_file,
         .argument = "FILE",
         .help = "Token that --role-arn is assumed with, read anew each time."},
        {.name = "sts-endpoint",
         .kind = FLAG_STR,
         .out = &c->sts_endpoint,
         .argument = "URL",
         .default_text = "the region's",
         .help = "AWS STS, where roles are assumed."},
        {.name = "imds",
         .kind = FLAG_BOOL,
         .out = &c->imds,
         .help = "Where nothing else is configured, use the EC2 instance's role (IMDSv2)."},
    };
    memcpy(rows, set, sizeof(set));
    return sizeof(set) / sizeof(set[0]);
}

static size_t kube_rows(struct common_flags *c, struct flag *rows)
{
    const struct flag set[] = {
        {.name = "kubeconfig",
         .kind = FLAG_STR,
         .out = &c->kubeconfig,
         .argument = "FILE",
         .default_text = "in-cluster, else $KUBECONFIG, else ~/.kube/config",
         .help = "How to reach the API server."},
        {.name = "context",
         .kind = FLAG_STR,
         .out = &c->context,
         .argument = "NAME",
         .default_text = "current-context",
         .help = "Context of the kubeconfig."},
    };
    memcpy(rows, set, sizeof(set));
    return sizeof(set) / sizeof(set[0]);
}

static size_t log_rows(struct common_flags *c, struct flag *rows)
{
    const struct flag set[] = {
        {.name = "log-level",
         .kind = FLAG_CHOICE,
         .out = &c->log_level,
         .argument = "LEVEL",
         .default_text = "info",
         .help = "Least severe level that is written.",
         .choices = levels},
        {.name = "log-format",
         .kind = FLAG_CHOICE,
         .out = &c->log_format,
         .argument = "FORMAT",
         .default_text = "json",
         .help = "JSON lines, or text for people; on stderr.",
         .choices = formats},
        {.name = "version",
         .kind = FLAG_BOOL,
         .out = &c->version,
         .help = "Print version, commit and the libraries' versions, and exit."},
        {.name = "help", .kind = FLAG_BOOL, .out = &c->help, .help = "Print this text and exit."},
    };
    memcpy(rows, set, sizeof(set));
    return sizeof(set) / sizeof(set[0]);
}

/* Errors on the way out have nowhere to go: what could not be written then is lost. */
static void write_all(int fd, struct str text)
{
    size_t done = 0;
    while (done < text.len) {
        const ssize_t n = write(fd, text.ptr + done, text.len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        done += (size_t)n;
    }
}

static void write_sink(void *context, struct str line)
{
    (void)context;
    write_all(STDERR_FILENO, line);
}

static int64_t wall_clock(void *context)
{
    (void)context;
    return loop_unix_ms();
}

/* A pod's host name is its own name, which begins with its workload's. */
static void defaults(struct common_flags *c, const struct program *p)
{
    char host[HOST_NAME_MAX + 1] = "";
    *c = (struct common_flags){.log_level = LOG_INFO, .log_format = LOG_JSON, .sigv4 = SIGV4_AUTO};
    (void)gethostname(host, sizeof host - 1);
    (void)fmt(c->session_name, sizeof c->session_name, "%s@%s", p->name, host);
}

/* --help and --version win over whatever else is wrong or missing. */
static bool asked_for(int argc, char *const argv[], const char *flag)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], flag) == 0) {
            return true;
        }
    }
    return false;
}

static void print(const struct program *p, bool version, const struct flag *rows, size_t count)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    if (version) {
        common_print_version(p, &text);
    } else {
        flags_help(p->name, p->about, rows, count, &text);
    }
    write_all(STDOUT_FILENO, buf_view(&text));
    buf_free(&text);
}

static int check_shared(const struct common_flags *c, struct err *e)
{
    if (c->endpoint.len > 0 && c->workspace.len > 0) {
        return err_set(e, ERR_INVALID,
                       "--endpoint and --workspace exclude each other: both say where to query");
    }
    if (c->web_identity_token_file.len > 0 && c->role_arn.len == 0) {
        return err_set(e, ERR_INVALID,
                       "--web-identity-token-file needs --role-arn: the role to assume with it");
    }
    return 0;
}

int common_start(const struct program *p, const struct flag *own, size_t own_count, unsigned sets,
                 struct common_flags *out, int argc, char *const argv[])
{
    struct flag rows[COMMON_OWN_FLAGS_MAX + SHARED_ROWS_MAX];
    size_t count = 0;
    struct err e = ERR_INIT;

    (void)signal(SIGPIPE, SIG_IGN);
    defaults(out, p);
    if (own_count > COMMON_OWN_FLAGS_MAX) {
        (void)err_set(&e, ERR_LIMIT, "more than %d flags of its own", COMMON_OWN_FLAGS_MAX);
        return common_usage_error(p, &e);
    }
    for (; count < own_count; count++) {
        rows[count] = own[count];
    }
    if ((sets & COMMON_QUERY) != 0) {
        count += query_rows(out, rows + count);
    }
    if ((sets & COMMON_AWS) != 0) {
        count += aws_rows(out, rows + count);
    }
    if ((sets & COMMON_KUBE) != 0) {
        count += kube_rows(out, rows + count);
    }
    count += log_rows(out, rows + count);

    const bool version = asked_for(argc, argv, "--version");
    if (version || asked_for(argc, argv, "--help")) {
        print(p, version, rows, count);
        return 0;
    }
    if (flags_parse(rows, count, argc, argv, &e) != 0 || check_shared(out, &e) != 0) {
        return common_usage_error(p, &e);
    }
    if (out->version || out->help) { /* the form --help=true */
        print(p, out->version, rows, count);
        return 0;
    }
    return -1;
}

int common_usage_error(const struct program *p, const struct err *e)
{
    char text[sizeof(e->text) + 128];
    write_all(STDERR_FILENO, fmt(text, sizeof(text), "%s: %s\n", p->name, e->text));
    return 2;
}

void common_logger(const struct common_flags *c, const struct program *p, struct logger *out)
{
    *out = (struct logger){
        .level = (enum log_level)c->log_level,
        .format = (enum log_format)c->log_format,
        .program = p->name,
        .now_ms = wall_clock,
        .sink = write_sink,
    };
}

const char *common_text(struct str flag)
{
    return flag.len > 0 ? flag.ptr : NULL;
}

struct aws_options common_aws_options(const struct common_flags *c, const struct logger *log)
{
    return (struct aws_options){
        .region = c->region,
        .role_arn = c->role_arn,
        .web_identity_token_file = c->web_identity_token_file,
        .session_name = str_from(c->session_name),
        .sts_endpoint = c->sts_endpoint,
        .ca_file = common_text(c->ca_file),
        .imds = c->imds,
        .log = log,
    };
}

static struct str region_of_environment(void)
{
    const struct str region = str_from(getenv("AWS_REGION"));
    return region.len > 0 ? region : str_from(getenv("AWS_DEFAULT_REGION"));
}

struct prom_config common_prom_config(const struct common_flags *c, const struct logger *log)
{
    return (struct prom_config){
        .endpoint = c->endpoint,
        .workspace = c->workspace,
        .region = c->region.len > 0 ? c->region : region_of_environment(),
        .sigv4 = (enum sigv4_mode)c->sigv4,
        .ca_file = common_text(c->ca_file),
        .aws = common_aws_options(c, log),
        .allow_endpoints = c->allow_endpoint.items,
        .allow_endpoint_count = c->allow_endpoint.count,
        .allow_workspaces = c->allow_workspace.items,
        .allow_workspace_count = c->allow_workspace.count,
        .allow_roles = c->allow_role.items,
        .allow_role_count = c->allow_role.count,
    };
}

struct kube_config common_kube_config(const struct common_flags *c)
{
    return (struct kube_config){
        .kubeconfig = common_text(c->kubeconfig),
        .context = common_text(c->context),
    };
}

bool common_has_query_target(const struct common_flags *c)
{
    return c->endpoint.len > 0 || c->workspace.len > 0;
}

const char *common_user_agent(const struct program *p, char *out, size_t size)
{
    return fmt(out, size, "%s/%s", p->name, AMPSCALE_VERSION).ptr;
}

void common_print_version(const struct program *p, struct buf *out)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    buf_format(out, "%s %s (commit %s)\n", p->name, AMPSCALE_VERSION, AMPSCALE_COMMIT);
    buf_format(out, "libcurl %s (%s)\n", curl->version,
               curl->ssl_version != NULL ? curl->ssl_version : "no TLS");
    buf_format(out, "OpenSSL %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    buf_format(out, "H2O %s\n", H2O_VERSION);
    buf_format(out, "libyaml %s\n", yaml_get_version_string());
}
