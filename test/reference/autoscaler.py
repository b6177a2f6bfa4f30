"""Run traces through decide() and through Kubernetes' HPA controller, and report where they differ.

    ./run compare hpa [--traces N] [--seed N] [--program FILE] [--show N]

A trace is a random spec and 200 ticks of readings (test/sim/hpa_traces.py). Three decide on it:
ours by `kubectl ampscale simulate` of the dev build, the controller by the Go program in hpa/,
which test/cluster/build makes once, and test/sim/hpa_reference.py. All must have the same count
after each tick. Where we differ on purpose the controller is told so, and by nothing else: INTENDED
is the list. Each row of it is seen to differ on its example in every run, and to agree once told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
for folder in (ROOT / "test" / "cluster", ROOT / "test" / "sim"):
    sys.path.insert(0, str(folder))
import hpa_reference as hpa  # noqa: E402
from hpa_traces import Line, Trace, play, random_trace  # noqa: E402
from node import cache  # noqa: E402

BATCH = 100


@dataclass(frozen=True)
class Case:
    """What `simulate` and the Go program are given."""

    annotations: dict[str, str]
    replicas: int
    lines: list[Line]

    def deployment(self) -> str:
        return json.dumps(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "app", "annotations": self.annotations},
                "spec": {"replicas": self.replicas},
            }
        )

    def text(self) -> str:
        return "".join(json.dumps(line) + "\n" for line in self.lines)


class Failed(Exception):
    pass


@dataclass(frozen=True)
class Programs:
    ours: Path
    theirs: Path

    def decide(self, case: Case) -> list[int]:
        with TemporaryDirectory() as folder:
            manifest = Path(folder) / "deployment.json"
            manifest.write_text(case.deployment())
            return counts([self.ours, "simulate", "-f", manifest], case.text())

    def control(self, cases: Sequence[Case], limited: bool = False) -> list[list[int]]:
        """What the controller makes of each. `limited`: with its own limit to a step up."""
        text = "".join(f"{case.deployment()}\n{case.text()}" for case in cases)
        options = [] if limited else ["--no-step-limit"]
        found = iter(counts([self.theirs, *options], text))
        return [[next(found) for _ in case.lines] for case in cases]


def counts(command: Sequence[str | Path], text: str) -> list[int]:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return [json.loads(line)["replicas"] for line in done.stdout.splitlines()]


# --- where we differ on purpose


@dataclass(frozen=True)
class Intended:
    """The controller does something else with `example`, and what ours does with `told`; None:
    nothing that it could be told makes it do that."""

    reason: str
    example: Case
    told: Case | None
    limited: bool = False  # the difference shows only with the limit to a step up


def example(
    value: object,
    threshold: str,
    replicas: int,
    behavior: str = "",
    metric_type: str = "AverageValue",
    **line: Any,
) -> Case:
    """One tick."""
    annotations = {
        "scale.amp/query": "up",
        "scale.amp/threshold": threshold,
        "scale.amp/metric-type": metric_type,
    }
    if behavior:
        annotations["scale.amp/behavior"] = behavior
    return Case(annotations, replicas, [{"t": 0, "readings": {"default": value}, **line}])


def then(case: Case, *lines: Line) -> Case:
    """The same and further ticks, 15 s apart, with the reading of the first."""
    more = [
        {"t": 15000 * i, "readings": case.lines[0]["readings"], **line}
        for i, line in enumerate(lines, 1)
    ]
    return replace(case, lines=[*case.lines, *more])


DOWN_AT_ONCE = "{scaleDown: {stabilizationWindowSeconds: 0}}"
A_STEP_OF = "{{scaleUp: {{policies: [{{type: Pods, value: {}, periodSeconds: 60}}]}}}}"

INTENDED = {
    "no limit to a step": Intended(
        "without a behavior, a step up is not limited to twice the count or 4",
        example(100, "1", 1),
        example(100, "1", 1),
        limited=True,
    ),
    "spec.replicas": Intended(
        "the tolerance is judged on spec.replicas; AverageValue's on status.replicas by the HPA",
        example(1000, "100", 5, status=11),
        example(1000, "100", 5),
    ),
    "negative": Intended(
        "a negative value is 0; with AverageValue the HPA takes it for the largest there is",
        example(-1, "100", 5),
        example(0, "100", 5),
    ),
    "nobody ready": Intended(
        "Value with no ready pod is unknown, which a fallback may follow; the HPA proposes 0",
        example(500, "100", 5, DOWN_AT_ONCE, "Value", ready=0),
        example(None, "100", 5, DOWN_AT_ONCE, "Value", ready=0),
    ),
    "a hair": Intended(
        "a quotient within 1e-9 of a whole number is that number: 7/25 × 25 is 7, not 8",
        example(7, "25", 25, DOWN_AT_ONCE, "Value"),
        example(6.999, "25", 25, DOWN_AT_ONCE, "Value"),
    ),
    "more than three decimals": Intended(
        "values and thresholds keep all their decimals; the HPA rounds up to thousandths",
        example(0.006, "0.0015", 1),
        example(0.06, "0.015", 1),
    ),
    "zero": Intended(
        "from 0 to min-replicas, as KEDA does; the HPA takes 0 for switched off",
        example(100, "1", 0),
        None,
    ),
    "32 bits": Intended(
        "a count that a policy allows ends at 2147483647; the HPA's wraps, and it goes nowhere",
        example(100, "1", 2, A_STEP_OF.format(2147483647)),
        example(100, "1", 2, A_STEP_OF.format(1000)),
    ),
    "restored": Intended(
        "a count of before a step, restored by somebody at the tick after it, is taken for a step "
        "that was not made: nobody who sees counts alone can tell",
        then(example(100, "1", 1, A_STEP_OF.format(4)), {"replicas": 1}),
        None,
    ),
}


def check_table(programs: Programs) -> list[str]:
    """Rows that do not differ, or still do once told."""
    wrong = []
    for name, row in INTENDED.items():
        seen = [{k: v for k, v in line.items() if k != "status"} for line in row.example.lines]
        ours = programs.decide(replace(row.example, lines=seen))
        differs = programs.control([row.example], row.limited)[0] != ours
        agrees = row.told is None or programs.control([row.told])[0] == ours
        if not differs or not agrees:
            wrong.append(name)
    return wrong


def told(spec: hpa.Autoscaler, line: Line) -> Line:
    """The line for the controller: "negative" and "nobody ready" said. The cases of other rows are
    not made: values have three decimals, policies are small, counts at least 1, status is spec, and
    play() keeps off hairs and restored counts. No limit to a step is told by a flag."""
    readings = line["readings"]
    assert isinstance(readings, dict)
    said = {
        name: None
        if value is None or (line["ready"] == 0 and not metric.average)
        else max(0, value)
        for (name, value), metric in zip(readings.items(), spec.metrics, strict=True)
    }
    return line | {"readings": said}


# --- the run


@dataclass
class Tally:
    traces: int = 0
    ticks: int = 0
    ups: int = 0
    downs: int = 0
    differing: int = 0

    def add(self, start: int, counts: Sequence[int]) -> None:
        self.traces += 1
        self.ticks += len(counts)
        for before, after in zip([start, *counts], counts, strict=False):
            self.ups += after > before
            self.downs += after < before

    def print(self) -> None:
        print(
            f"{self.traces} traces, {self.ticks} ticks, {self.ups} steps up, {self.downs} down, "
            f"{self.differing} traces with unintended differences"
        )


@dataclass(frozen=True)
class Difference:
    seed: int
    tick: int
    counts: dict[str, int]
    context: list[str]

    def print(self) -> None:
        said = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        print(f"\n./run compare hpa --seed {self.seed} --traces 1: tick {self.tick}: {said}")
        for line in self.context:
            print(f"  {line}")


def first_difference(
    trace: Trace, lines: Sequence[Line], decided: dict[str, list[int]]
) -> Difference | None:
    for tick, all_counts in enumerate(zip(*decided.values(), strict=True)):
        if len(set(all_counts)) > 1:
            before = [f"{json.dumps(line)}" for line in lines[max(0, tick - 10) : tick + 1]]
            context = [json.dumps(trace.annotations), *before]
            return Difference(
                trace.seed, tick, dict(zip(decided, all_counts, strict=True)), context
            )
    return None


def batches(options: argparse.Namespace) -> Iterator[range]:
    end = options.seed + options.traces
    for start in range(options.seed, end, BATCH):
        yield range(start, min(start + BATCH, end))


def compare(programs: Programs, options: argparse.Namespace, tally: Tally) -> None:
    for seeds in batches(options):
        traces = [random_trace(seed) for seed in seeds]
        courses = [play(trace, hairs=False) for trace in traces]
        cases, said = [], []
        for trace, course in zip(traces, courses, strict=True):
            case = Case(trace.annotations, trace.replicas, course.lines)
            cases.append(case)
            lines = [told(trace.spec, line) for line in course.lines]
            said.append(replace(case, lines=lines))
        with ThreadPoolExecutor(2) as pool:
            theirs = pool.submit(programs.control, said)
            ours = list(pool.map(programs.decide, cases))
        together = zip(traces, courses, ours, theirs.result(), strict=True)
        for trace, course, mine, the_hpas in together:
            tally.add(trace.replicas, the_hpas)
            decided = {"ours": mine, "the HPA": the_hpas, "hpa_reference": course.counts}
            difference = first_difference(trace, course.lines, decided)
            if difference:
                tally.differing += 1
                if tally.differing <= options.show:
                    difference.print()


def build_theirs() -> Path:
    module = cache.optional("hpa")
    if not module.cached():
        print("compare: building Kubernetes' HPA controller", flush=True)
        builder = [ROOT / "test/cluster/build", module.name]
        if subprocess.run(["nice", "-n", "15", *builder]).returncode != 0:
            raise Failed("Kubernetes' HPA controller cannot be built")
    return module.entry() / module.programs[0]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "compare hpa", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traces", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="of the first")
    parser.add_argument("--program", type=Path, help="kubectl-ampscale; default: the dev build's")
    parser.add_argument("--show", type=int, default=5, help="how many differences to print")
    options = parser.parse_args(arguments)
    if options.program is None:
        subprocess.run([ROOT / "scripts/build.sh", "dev"], check=True)
        options.program = ROOT / "build/dev/bin/kubectl-ampscale"
    tally = Tally()
    try:
        programs = Programs(options.program, build_theirs())
        stale = check_table(programs)
        compare(programs, options, tally)
    except Failed as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    tally.print()
    for name in stale:
        print(f'compare: the example of "{name}" does not differ as its row says')
    return 1 if tally.differing or stale else 0
