#include "base/awsname.h"

#include <string.h>

#include "base/fmt.h"
#include "base/spec_rows.h"

/* The first row whose regions begin so; the last row is everywhere else. */
static const struct partition {
    struct str regions;
    struct str suffix, dualstack_suffix;
    bool sts_is_fips; /* its plain host of STS is the FIPS one */
} PARTITIONS[] = {
    {STR_INIT("cn-"), STR_INIT("amazonaws.com.cn"), STR_INIT("api.amazonwebservices.com.cn"),
     false},
    {STR_INIT("us-gov-"), STR_INIT("amazonaws.com"), STR_INIT("api.aws"), true},
    {STR_INIT("us-iso-"), STR_INIT("c2s.ic.gov"), STR_INIT("api.aws.ic.gov"), false},
    {STR_INIT("us-isob-"), STR_INIT("sc2s.sgov.gov"), STR_INIT("api.aws.scloud"), false},
    {STR_INIT("eu-isoe-"), STR_INIT("cloud.adc-e.uk"), STR_INIT("api.cloud-aws.adc-e.uk"), false},
    {STR_INIT("us-isof-"), STR_INIT("csp.hci.ic.gov"), STR_INIT("api.aws.hci.ic.gov"), false},
    {STR_INIT("eusc-"), STR_INIT("amazonaws.eu"), STR_INIT("api.amazonwebservices.eu"), false},
    {STR_INIT(""), STR_INIT("amazonaws.com"), STR_INIT("api.aws"), false},
};

enum { PARTITION_COUNT = sizeof PARTITIONS / sizeof PARTITIONS[0] };

static const struct partition *partition_of(struct str region)
{
    const struct partition *p = PARTITIONS;
    while (!str_starts(region, p->regions)) {
        p++;
    }
    return p;
}

bool awsname_is_label(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (!char_is_lower(c) && !char_is_digit(c) && c != '-') {
            return false;
        }
    }
    return text.len > 0 && text.len <= AWSNAME_LABEL_MAX;
}

struct str awsname_host(struct str service, struct str region, unsigned kind,
                        char out[AWSNAME_HOST_BYTES])
{
    const struct partition *p = partition_of(region);
    const bool dualstack = (kind & AWSNAME_DUALSTACK) != 0;
    const bool same = p->sts_is_fips && !dualstack && str_eq(service, STR("sts"));
    const bool fips = (kind & AWSNAME_FIPS) != 0 && !same;
    return fmt(out, AWSNAME_HOST_BYTES, "%.*s%s.%.*s.%.*s", STR_ARG(service), fips ? "-fips" : "",
               STR_ARG(region), STR_ARG(dualstack ? p->dualstack_suffix : p->suffix));
}

/* `host` between a prefix and '.' with a suffix; absent when it has not both. */
static struct str between(struct str host, struct str suffix)
{
    const struct str name = str_slice(host, 0, host.len - suffix.len - 1);
    const bool there = host.len > suffix.len + 1 && str_ends(host, suffix) &&
                       host.ptr[name.len] == '.' && awsname_is_label(name);
    return there ? name : (struct str){NULL, 0};
}

struct str awsname_region_of(struct str host, struct str service)
{
    if (!str_starts(host, service)) {
        return (struct str){NULL, 0};
    }
    struct str rest = str_slice(host, service.len, host.len);
    rest = str_starts(rest, STR("-fips.")) ? str_slice(rest, 5, rest.len) : rest;
    if (!str_starts(rest, STR("."))) {
        return (struct str){NULL, 0};
    }
    rest = str_slice(rest, 1, rest.len);
    for (size_t i = 0; i < PARTITION_COUNT; i++) {
        struct str region = between(rest, PARTITIONS[i].suffix);
        region = region.ptr != NULL ? region : between(rest, PARTITIONS[i].dualstack_suffix);
        if (region.ptr != NULL) {
            return region;
        }
    }
    return (struct str){NULL, 0};
}

bool awsname_is_role(struct str arn)
{
    struct str field;
    return spec_parse_role(&(struct spec_value){.text = arn, .field = &field}) == 0;
}

struct str awsname_session(struct str wanted, char out[AWSNAME_SESSION_BYTES])
{
    size_t len = 0;
    while (len < wanted.len && len < AWSNAME_SESSION_BYTES - 1) {
        const char c = wanted.ptr[len];
        const bool plain = char_is_lower(char_lower(c)) || char_is_digit(c) ||
                           (c != '\0' && strchr("_+=,.@-", c) != NULL);
        out[len++] = plain ? c : '-';
    }
    out[len] = '\0';
    return len >= 2 ? (struct str){out, len} : fmt(out, AWSNAME_SESSION_BYTES, "ampscale");
}
