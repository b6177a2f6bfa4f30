"""The panels of the dashboard: what each answers, and its queries (scripts/dashboard.py).

Series about a workload have its namespace as `namespace`, also where one scaler serves all. So the
collector beside a scaler gives them no such label, and names its job NAMESPACE/PROGRAM, as the
Prometheus operator does. Collectors in an app's pods name theirs after the Deployment.

An expression that may have nothing to say in health ends in a zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NAMESPACE = 'namespace=~"$namespace"'
WORKLOAD = f'{NAMESPACE},deployment=~"$workload"'
APP = f'{NAMESPACE},job=~"$workload"'
SCALER = 'job=~"$namespace/.*"'
FAILED = '${status}=~"5.."'
EACH = "namespace, deployment"
TRIGGER = f"{EACH}, trigger"

GOOD, BAD, DOUBT, IDLE, NOTE = "green", "red", "orange", "#808080", "blue"
Steps = list[tuple[float | None, str]]
ANY_BAD: Steps = [(None, GOOD), (1, BAD)]


@dataclass(frozen=True)
class Query:
    """`legend` may name labels: {{deployment}}. `dashed`: a line to compare with."""

    expr: str
    legend: str
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """`limits`: from a value on, a colour. `words`: for a value, a text and its colour."""

    title: str
    answers: str
    queries: list[Query]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    stacked: bool = False
    steps_in_time: bool = False
    from_zero: bool = True
    limits: Steps = field(default_factory=list)
    words: dict[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Variable:
    name: str
    label: str
    kind: str
    query: str
    help: str = ""


def rate(metric: str, select: str = "") -> str:
    return f"rate({metric}{{{select}}}[$__rate_interval])".replace("{}", "")


def rates(by: str, metric: str, select: str = "") -> str:
    return f"sum by ({by}) ({rate(metric, select)})"


def of_workloads(metric: str, more: str = "", by: str = EACH) -> str:
    """One value of each, whichever of several scalers leads."""
    return f"max by ({by}) (ampscale_scaler_{metric}{{{WORKLOAD}{more}}})"


def condition(name: str) -> str:
    return of_workloads("condition", f',condition="{name}"')


def quantiles(histogram: str, select: str = "", by: str = "") -> list[Query]:
    spread = rates(f"{by}, le" if by else "le", f"{histogram}_bucket", select)
    legend = f"{{{{{by}}}}} " if by else ""
    return [
        Query(f"histogram_quantile({q}, {spread})", f"{legend}p{q * 100:.0f}")
        for q in (0.5, 0.95, 0.99)
    ]


def moved(sign: str) -> str:
    """Above 0 around a change of the count in that direction."""
    change = f"delta(ampscale_scaler_current_replicas{{{WORKLOAD}}}[$__rate_interval])"
    return f"max by ({EACH}) ({sign}{change}) > 0"


REPLICAS = of_workloads("current_replicas")
VALUE = of_workloads("metric_value", by=TRIGGER)
THRESHOLD = of_workloads("metric_threshold", by=TRIGGER)
AVERAGES = of_workloads("metric_threshold", ',metric_type="AverageValue"', TRIGGER)
TOTALS = of_workloads("metric_threshold", ',metric_type="Value"', TRIGGER)
CAPACITY = f"{AVERAGES} * on ({EACH}) group_left () ({REPLICAS} > 0)"

SCALING = [
    Panel(
        "Workloads",
        "How many Deployments are scaled?",
        [Query(f"count({REPLICAS})", "workloads")],
        kind="stat",
        width=4,
        height=4,
    ),
    Panel(
        "Replicas",
        "How many replicas have they, all together?",
        [Query(f"sum({REPLICAS})", "replicas")],
        kind="stat",
        width=4,
        height=4,
    ),
    Panel(
        "Triggers without a value",
        "How many queries yield nothing to scale on now, so that a count is held?",
        [Query(f"count({THRESHOLD} unless {VALUE}) or vector(0)", "triggers")],
        kind="stat",
        width=4,
        height=4,
        limits=ANY_BAD,
    ),
    Panel(
        "Not able to scale",
        "How many Deployments have a count that cannot be set? Their condition says why.",
        [Query(f"count({condition('AbleToScale')} == 0) or vector(0)", "workloads")],
        kind="stat",
        width=4,
        height=4,
        limits=ANY_BAD,
    ),
    Panel(
        "At a limit",
        "How many would have another count but for a bound, a policy or a pause?",
        [Query(f"count({condition('ScalingLimited')} == 1) or vector(0)", "workloads")],
        kind="stat",
        width=4,
        height=4,
        limits=[(None, GOOD), (1, DOUBT)],
    ),
    Panel(
        "Paused or on a fallback",
        "How many are paused by an annotation, or at their fallback's count?",
        [
            Query(f"count({condition('Paused')} == 1) or vector(0)", "paused"),
            Query(f"count({condition('Fallback')} == 1) or vector(0)", "fallback"),
        ],
        kind="stat",
        width=4,
        height=4,
        limits=[(None, GOOD), (1, DOUBT)],
    ),
    Panel(
        "Query value and threshold",
        "What did each query yield, and what is its threshold?",
        [
            Query(VALUE, "{{deployment}} {{trigger}}"),
            Query(THRESHOLD, "{{deployment}} {{trigger}} threshold", dashed=True),
        ],
        width=12,
        from_zero=False,
    ),
    Panel(
        "Replicas, current and desired",
        "Which count was decided, which is set, and how many pods are ready?",
        [
            Query(of_workloads("desired_replicas"), "{{deployment}} desired", dashed=True),
            Query(REPLICAS, "{{deployment}} current"),
            Query(of_workloads("ready_replicas"), "{{deployment}} ready"),
        ],
        width=12,
        steps_in_time=True,
    ),
    Panel(
        "Value against target",
        "How far is each from its target? 1 is what the annotation asks for; within a tenth of it "
        "nothing is done. With AverageValue it is value / (threshold × replicas).",
        [Query(f"{VALUE} / ({CAPACITY}) or {VALUE} / {TOTALS}", "{{deployment}} {{trigger}}")],
    ),
    Panel(
        "Conditions",
        "What was true of each Deployment when?",
        [Query(of_workloads("condition", by=f"{EACH}, condition"), "{{deployment}} {{condition}}")],
        kind="state-timeline",
        words={0: ("False", IDLE), 1: ("True", NOTE)},
    ),
    Panel(
        "Decisions by reason",
        "What was decided, and why?",
        [Query(rates("reason", "ampscale_scaler_decisions_total", NAMESPACE), "{{reason}}")],
        unit="ops",
        stacked=True,
    ),
]

APPLICATION = [
    Panel(
        "Request rate",
        "What are the apps asked for?",
        [Query(rates("job", "${requests}", APP), "{{job}}")],
        unit="reqps",
    ),
    Panel(
        "Errors",
        "Which share of the requests fails?",
        [
            Query(
                f"({rates('job', '${requests}', f'{APP},{FAILED}')}"
                f" or 0 * {rates('job', '${requests}', APP)})"
                f" / {rates('job', '${requests}', APP)}",
                "{{job}}",
            )
        ],
        unit="percentunit",
    ),
    Panel(
        "Latency",
        "How long do requests take?",
        quantiles("${latency}", APP, "job"),
        unit="s",
    ),
]

ADMISSION = [
    Panel(
        "Admissions",
        "What was asked of the webhook, and what did it answer?",
        [
            Query(
                rates("path, verdict", "ampscale_webhook_admissions_total"),
                "{{path}} {{verdict}}",
            )
        ],
        unit="ops",
        stacked=True,
    ),
    Panel(
        "Admission latency",
        "How long does the API server wait for it?",
        quantiles("ampscale_webhook_admission_duration_seconds", by="path"),
        unit="s",
    ),
    Panel(
        "Policy verdicts",
        "How often was the policy broken, and what was made of it?",
        [
            Query(
                "sum by (action) "
                "(increase(ampscale_webhook_policy_verdicts_total[$__rate_interval]))",
                "{{action}}",
            )
        ],
        stacked=True,
    ),
    Panel(
        "Rules broken most",
        "Which rules of the policy were broken most in the time that is shown?",
        [
            Query(
                "topk(8, sum by (rule, action) "
                "(increase(ampscale_webhook_policy_verdicts_total[$__range])))",
                "{{rule}} {{action}}",
            )
        ],
        kind="bargauge",
    ),
    Panel(
        "Queries at admission",
        "How many queries were tried, how many known already, and how many had no answer?",
        [
            Query(
                f"{rates('result', 'ampscale_webhook_query_cache_lookups_total')} or vector(0)",
                "{{result}}",
            ),
            Query(
                f"sum({rate('ampscale_webhook_query_errors_total')}) or vector(0)",
                "without an answer",
            ),
        ],
        unit="ops",
    ),
    Panel(
        "Certificate",
        "How long is the webhook's certificate still good for?",
        [
            Query(
                "min(ampscale_webhook_certificate_expiry_timestamp_seconds > 0) - time()",
                "left",
            )
        ],
        kind="stat",
        unit="s",
        width=4,
        limits=[(None, BAD), (7 * 86400, DOUBT), (20 * 86400, GOOD)],
    ),
    Panel(
        "Files in force",
        "Is what policy and namespaces say now in force, or is one wrong and its older content is?",
        [Query("min by (file) (ampscale_webhook_file_current)", "{{file}}")],
        kind="stat",
        width=4,
        words={0: ("older", BAD), 1: ("in force", GOOD)},
    ),
]

SCALERS = [
    Panel(
        "Queries by outcome",
        "Does Prometheus answer, and with a value?",
        [Query(rates("outcome", "ampscale_scaler_queries_total", SCALER), "{{outcome}}")],
        unit="ops",
        stacked=True,
    ),
    Panel(
        "Query latency",
        "How long does it take to answer?",
        quantiles("ampscale_scaler_query_duration_seconds", SCALER),
        unit="s",
    ),
    Panel(
        "Lateness",
        "How long after its time is a workload looked at?",
        quantiles("ampscale_scaler_due_lateness_seconds", SCALER),
        unit="s",
    ),
    Panel(
        "Writes of /scale",
        "Does the API server take the counts?",
        [Query(rates("result", "ampscale_scaler_scale_writes_total", SCALER), "{{result}}")],
        unit="ops",
        stacked=True,
    ),
    Panel(
        "Leaders",
        "Has each namespace one scaler that leads?",
        [
            Query(
                'sum by (namespace) (ampscale_scaler_leader{namespace=~"$namespace|[*]"})',
                "{{namespace}}",
            )
        ],
        steps_in_time=True,
    ),
    Panel(
        "Memory",
        "How much do webhook and scalers take?",
        [
            Query(
                "max by (program, job) (process_resident_memory_bytes"
                " * on (job, instance) group_left (program) ampscale_build_info)",
                "{{program}} {{job}}",
            )
        ],
        unit="bytes",
    ),
]

COLLECTORS = [
    Panel(
        "Targets",
        "Does each collector reach what it scrapes?",
        [
            Query(
                f"max by (job, pod) (up{{{APP}}} and on (job, pod)"
                f" ampscale_collector_requests_total{{{APP}}})",
                "{{job}} {{pod}}",
            )
        ],
        kind="state-timeline",
        words={0: ("down", BAD), 1: ("up", GOOD)},
    ),
    Panel(
        "Samples sent",
        "How many samples does the workspace take of each?",
        [Query(rates("job", "ampscale_collector_samples_sent_total", APP), "{{job}}")],
        unit="ops",
    ),
    Panel(
        "Samples dropped",
        "How many were lost since the collectors began, and why?",
        [
            Query(
                f"sum by (job, reason) (ampscale_collector_samples_dropped_total{{{APP}}})"
                f" or 0 * sum by (job) (ampscale_collector_samples_sent_total{{{APP}}})",
                "{{job}} {{reason}}",
            )
        ],
    ),
    Panel(
        "Failed writes",
        "Which share of the writes is not taken at the first try?",
        [
            Query(
                f"{rates('job', 'ampscale_collector_requests_failed_total', APP)}"
                f" / {rates('job', 'ampscale_collector_requests_total', APP)}",
                "{{job}}",
            )
        ],
        unit="percentunit",
    ),
    Panel(
        "Waiting",
        "How much waits to be sent? 8 MiB is the most.",
        [Query(f"max by (job) (ampscale_collector_buffer_bytes{{{APP}}})", "{{job}}")],
        unit="bytes",
    ),
    Panel(
        "Memory of collectors",
        "How much does one take?",
        [Query(f"max by (job) (ampscale_collector_resident_memory_bytes{{{APP}}})", "{{job}}")],
        unit="bytes",
    ),
]

ROWS: list[tuple[str, list[Panel]]] = [
    ("Scaling", SCALING),
    ("Application", APPLICATION),
    ("Admission", ADMISSION),
    ("Scalers", SCALERS),
    ("Collectors", COLLECTORS),
]

SEEN = '__name__=~"ampscale_scaler_current_replicas|ampscale_collector_requests_total"'
VARIABLES = [
    Variable("datasource", "Data source", "datasource", "prometheus"),
    Variable("namespace", "Namespace", "query", f"label_values({{{SEEN}}}, namespace)"),
    Variable(
        "workload",
        "Workload",
        "query",
        f'label_values({{{SEEN},namespace=~"$namespace"}}, deployment)',
    ),
    Variable(
        "requests",
        "Requests",
        "textbox",
        "ho11y_total",
        "The counter of your apps' requests; as it stands, that of examples/app.",
    ),
    Variable("status", "Status label", "textbox", "http_status_code", "Its label for the status."),
    Variable(
        "latency",
        "Latency",
        "textbox",
        "ho11y_request_duration_seconds",
        "The histogram of their durations, without _bucket.",
    ),
]

ANNOTATIONS = [
    ("Scaled up", GOOD, Query(moved(""), "{{deployment}} scaled up")),
    ("Scaled down", DOUBT, Query(moved("-"), "{{deployment}} scaled down")),
]
