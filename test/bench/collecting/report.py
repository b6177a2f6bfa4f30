"""What is printed: ratios first, then the table and the budgets beside it, then the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from collecting.measure import Load, Used

MISSING = "–"
OURS = "ours"


@dataclass(frozen=True)
class Budget:
    """Of ours, at one load."""

    rss_mib: float
    of_vmagent_cpu: float = 1 / 2
    of_otel_cpu: float = 1 / 10


BUDGETS = {1300: Budget(14), 65000: Budget(32)}


def digits(value: float) -> int:
    return 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3


def number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.{digits(value)}f}"


def per_interval(used: Used, name: str, interval_s: int) -> float:
    return used.did[name] * interval_s / used.seconds


ROWS: list[tuple[str, Callable[[Used], float]]] = [
    ("CPU", lambda used: used.cpu_percent),
    ("resident memory, average", lambda used: used.rss_mib),
    ("anonymous memory, average", lambda used: used.anonymous_mib),
    ("bytes sent a sample", lambda used: used.did["sent_bytes"] / max(1, samples(used))),
]


def samples(used: Used) -> int:
    return used.did["load"] + used.did["other"]


def print_ratios(load: Load) -> None:
    titles = " : ".join(used.kind.title for used in load.used)
    print(f"\n{load.series} series, {titles}")
    for what, of in ROWS:
        values = [of(used) for used in load.used]
        first = values[0]
        cells = [number(value / first) if first > 0 else MISSING for value in values[1:]]
        print(f"  {what:<28} " + " : ".join(["1", *cells]))


def print_table(load: Load, interval_s: int) -> None:
    width = max(18, *(len(used.kind.title) + 2 for used in load.used))

    def row(what: str, of: Callable[[Used], str]) -> None:
        print(f"  {what:<34}" + "".join(f"{of(used):>{width}}" for used in load.used))

    print(f"\n{load.series} series every {interval_s} s")
    row("", lambda used: used.kind.title)
    row("CPU, % of a core", lambda used: number(used.cpu_percent))
    row("CPU, ms a scrape", lambda used: number(1000 * used.cpu_s / max(1, used.did["scrapes"])))
    row("resident memory, MiB, average", lambda used: number(used.rss_mib))
    row("  most in the window", lambda used: number(max(used.rss_kib) / 1024))
    row("  most since its start", lambda used: number(used.peak_kib / 1024))
    row("  of it anonymous, average", lambda used: number(used.anonymous_mib))
    row("proportional (PSS), MiB, at end", lambda used: number(used.pss_kib / 1024))
    row("scrapes", lambda used: str(used.did["scrapes"]))
    row("samples of the target a scrape", lambda used: a_scrape(used, "load"))
    row("  others a scrape", lambda used: a_scrape(used, "other"))
    row("requests an interval", lambda used: number(per_interval(used, "requests", interval_s)))
    row("bytes an interval", lambda used: number(per_interval(used, "sent_bytes", interval_s)))
    row("  before compression", lambda used: number(per_interval(used, "plain_bytes", interval_s)))
    row("CPU from start to window, s", lambda used: number(used.start_cpu_s))
    row("measured for, s", lambda used: number(used.seconds))
    print(f"  all of the machine meanwhile: {load.busy_percent:.0f} %")


def a_scrape(used: Used, what: str) -> str:
    return number(used.did[what] / max(1, used.did["scrapes"]))


def print_budgets(load: Load) -> None:
    budget = BUDGETS.get(load.series)
    found = {used.kind.name: used for used in load.used}
    if budget is None or OURS not in found:
        return
    ours = found[OURS]
    print(f"  budget of ours: resident ≤ {budget.rss_mib:g} MiB, is {number(ours.rss_mib)}", end="")
    for name, share in (("vmagent", budget.of_vmagent_cpu), ("otel", budget.of_otel_cpu)):
        if name in found and found[name].cpu_s > 0:
            part = ours.cpu_s / found[name].cpu_s
            print(f"; CPU ≤ {share:g} of {found[name].kind.title}'s, is {number(part)}", end="")
    print()
