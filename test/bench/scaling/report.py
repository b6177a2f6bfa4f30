"""What is printed: ratios, then a table, then the machine."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.measure import CONTROL_PLANE, Reaction, Window, median

MISSING = "–"


@dataclass
class Result:
    title: str
    own: list[str]  # its processes, as the window names them
    served_s: float | None
    window: Window
    reactions: list[Reaction]

    @property
    def cpu(self) -> float:
        return self.window.total_cpu(self.own)

    @property
    def rss(self) -> float:
        return self.window.total_mib(self.own, lambda use: use.rss_kib)

    @property
    def anonymous(self) -> float:
        return self.window.total_mib(self.own, lambda use: use.anonymous_kib)

    def per_interval(self, interval_s: int) -> float:
        queries, seconds = self.window.queries, self.window.seconds
        return sum(queries) / len(queries) / seconds * interval_s

    @property
    def first(self) -> float | None:
        return median([r.first_s for r in self.reactions])

    @property
    def slowest(self) -> float | None:
        known = [r.first_s for r in self.reactions if r.first_s is not None]
        return max(known) if len(known) == len(self.reactions) else None

    @property
    def polled(self) -> float | None:
        return median([r.poll_s for r in self.reactions])

    @property
    def many(self) -> float | None:
        return self.reactions[-1].last_s


def number(value: float | None, unit: str) -> str:
    if value is None:
        return MISSING
    return f"{value:.{digits(value, 3)}f}{unit}"


def digits(value: float, most: int) -> int:
    """Behind the point: three that count, but no more than ``most``."""
    return 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else most


def ratio(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return MISSING
    if ours <= 0:
        return "too little of ours to measure"
    times = theirs / ours
    return f"1 : {times:.{digits(times, 2)}f}"


def print_ratios(ours: Result, theirs: Result, interval_s: int) -> None:
    both = (ours, theirs)
    controllers = [r.window.cpu["kube-controller-manager"] for r in both]
    share = max(0.0, controllers[1] - controllers[0])
    rows = [
        ("CPU", ours.cpu, theirs.cpu),
        ("CPU, with the HPA's share", ours.cpu, theirs.cpu + share),
        ("resident memory", ours.rss, theirs.rss),
        ("anonymous memory", ours.anonymous, theirs.anonymous),
        ("queries", *(r.per_interval(interval_s) for r in both)),
        ("registered → all served", ours.served_s, theirs.served_s),
        ("metric changed → first scaled, median", ours.first, theirs.first),
        ("1 → 100 replicas", ours.many, theirs.many),
    ]
    print(f"\n{ours.title} : {theirs.title}")
    for what, a, b in rows:
        print(f"  {what:<40} {ratio(a, b)}")


def print_table(results: list[Result], interval_s: int, workloads: int) -> None:
    print(f"\n{workloads} Deployments, one trigger each, every {interval_s} s")
    width = max(len(name) for r in results for name in (*r.own, r.title)) + 2
    width = max(width, 20)

    def row(what: str, cells: list[str]) -> None:
        print(f"  {what:<46}" + "".join(f"{cell:>{width}}" for cell in cells))

    row("", [r.title for r in results])
    row("CPU, % of a core", [number(r.cpu, "") for r in results])
    row("resident memory, MiB", [number(r.rss, "") for r in results])
    row("anonymous memory, MiB", [number(r.anonymous, "") for r in results])
    row(
        "queries a workload and interval", [number(r.per_interval(interval_s), "") for r in results]
    )
    row("  least and most of one workload", [spread(r) for r in results])
    row("registered → each queried twice", [number(r.served_s, " s") for r in results])
    row("lateness of polls, p99, at most", [number(r.window.lateness_s, " s") for r in results])
    row("metric changed → first scaled, median", [number(r.first, " s") for r in results])
    row("  slowest", [number(r.slowest, " s") for r in results])
    row("first query answered → scaled, median", [number(r.polled, " s") for r in results])
    row("1 → 100 replicas", [number(r.many, " s") for r in results])
    for name in CONTROL_PLANE:
        row(f"{name} meanwhile, % of a core", [number(r.window.cpu[name], "") for r in results])
    row("all of the machine meanwhile, %", [number(r.window.busy, "") for r in results])
    row("load average", [number(r.window.load, "") for r in results])
    row("measured for", [number(r.window.seconds, " s") for r in results])
    for r in results:
        for name in r.own:
            use = r.window.use[name]
            print(
                f"  {r.title}, {name}: {number(r.window.cpu[name], '')} % of a core, "
                f"{use.rss_kib / 1024:.1f} MiB resident, {use.anonymous_kib / 1024:.1f} anonymous"
            )


def spread(result: Result) -> str:
    queries = result.window.queries
    return f"{min(queries)}–{max(queries)} in {result.window.seconds:.0f} s"
