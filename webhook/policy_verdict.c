#include "webhook/policy_verdict.h"

int policy_verdict(struct verdict *v, const struct policy_finding *f, struct arena *a,
                   struct err *e)
{
    struct str rule = policy_rule_name(f->rule);
    switch (f->action) {
    case ACTION_DENY:
        if (f->known) {
            return verdict_warn(v, a, e, "%.*s (as before)", STR_ARG(f->text));
        }
        return verdict_deny(v, 403, a, e, "%.*s", STR_ARG(f->text));
    case ACTION_WARN: return verdict_warn(v, a, e, "%.*s", STR_ARG(f->text));
    case ACTION_AUDIT: return verdict_audit(v, rule, a, e, "%.*s", STR_ARG(f->text));
    case ACTION_NONE: break;
    }
    return 0;
}

struct str policy_outcome(const struct policy_finding *f)
{
    switch (f->action) {
    case ACTION_DENY: return f->known ? STR("ratcheted") : STR("deny");
    case ACTION_WARN: return STR("warn");
    case ACTION_AUDIT: return STR("audit");
    case ACTION_NONE: break;
    }
    return STR("none");
}
