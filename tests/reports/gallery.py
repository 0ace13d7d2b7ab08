"""Runs of every kind by name: the source of the golden files in `golden/`."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.functional.tested import case, functional_run
from tests.github.stories import EARLIER, NEUTRAL, PAIRED, REGRESSION, compared
from tests.launchers.service import Service
from tests.measured import BROKEN, MS, START, Sample, every_second, execution, stopped
from tests.reports import examples, exchanges
from tests.reports.runs import run_of, small, wavering
from tests.verdict.test_capacity_run import Capacity
from toril.records import MetricSeries, PlannedCriterion, ServerMetrics, SourcePlace, Stop
from toril.reports import Bundle
from toril.runs.conclude import judge_again

WHERE = "suite.yml: reporting[0].criteria[0]"
COST = "cost $0.041 at list prices of 2026-11; 2 tasks of 1 vCPU and 2 GiB, x86-64"
STAIRS = ((0.0, 10.0), (20.0, 10.0), (20.0, 40.0), (40.0, 40.0))


def _failed() -> Bundle:
    run = examples.failed()
    places = {WHERE: SourcePlace(file="loadtests/shop/suite.yml", line=31)}
    first, *others = run.verdict.to_dict()["criteria"]
    located = examples.with_verdict(run, criteria=[{**first, "where": WHERE}, *others])
    return replace(located, plan=run.plan.model_copy(update={"places": places}))


def _saturated() -> Bundle:
    busy = {"cpu_max": 0.99, "cpu_mean": 0.9, "saturation": [{"what": "cpu", "message": "99 % CPU from 3 s on"}]}
    generators = {"saturated": ["madrid-1"], "advice": "use 3 workers", "workers": {"madrid-1": busy}}
    return Bundle(examples.plan(), examples.summary(generators=generators), examples.verdict())


def _searched() -> Bundle:
    with TemporaryDirectory() as folder:
        one = Capacity(Path(folder), Service(100), "capacity of shop<80/s")
        one.run()
        return judge_again(one.store, one.plan.run_id)


def _ended_early() -> Bundle:
    samples = [Sample(second, 900 * MS if second >= 4 else 9 * MS) for second in range(9)]
    stop = Stop(at=START + 9.2, cause="criterion", message="enough", criterion_fails=True)
    plan = {"executions": [execution(hold_for_s=30.0)]}
    rules = ("avg-rt>1ms, continue as non-failed", "avg-rt>500ms for 3s", "p95 of checkin>1s")
    return run_of(samples, *rules, plan=plan, stop=stop)


def _errors() -> Bundle:
    broken = [Sample(second, rc=str(500 + second), ok=False, label="pay") for second in range(10)]
    transactions = every_second(range(10), Sample(0, 700 * MS, label="buy", kind="transaction"))
    return run_of([*small(), *broken, *every_second(range(10), BROKEN), *transactions], "p95>250ms", "fail>50%")


def _many_labels() -> Bundle:
    figures = {f"label {number:04}": examples.figures(3000 - number) for number in range(300)}
    rules = [examples.criterion(f"p95 of label {number:04}>250ms", label=f"label {number:04}") for number in range(120)]
    return Bundle(
        examples.plan(), examples.summary({"": examples.figures(10**6), **figures}), examples.verdict(criteria=rules)
    )


def _measuring() -> Bundle:
    """Checks of which one fails, a metric of each kind, and requests by tag."""

    def values(name: str, kind: str, *numbers: float, ok: bool = True) -> list[Sample]:
        return [Sample(at, round(number * 1000), name, ok, kind=kind) for at in range(10) for number in numbers]

    measured = [
        *values("has total", "check", 0, 0, 0),
        *values("logged in", "check", *(0,) * 9),
        *values("logged in", "check", 0, ok=False),
        *values("cart_items", "trend", 1, 2, 2, 3, 7.5),
        *values("orders", "counter", 1, 1, 2),
        *values("queue", "gauge", 4, 7),
        *values("ok_pages", "rate", 0, 0, 0),
        *values("ok_pages", "rate", 0, ok=False),
    ]
    tags = {"big": 90, "small": 20}
    tagged = [
        Sample(at, ms * MS, f"checkout{{tenant={tag}}}", kind="tagged") for at in range(10) for tag, ms in tags.items()
    ]
    run = run_of([*small(), *measured, *tagged], "p95>250ms")
    return replace(run, verdict=run_of(small(), "p95>250ms").verdict)


def _service() -> Bundle:
    query = MetricSeries(namespace="AWS/ECS", metric="CPUUtilization", statistic="Average", points=((0.0, 95.0),))
    silent = MetricSeries(namespace="AWS/ECS", metric="MemoryUtilization", statistic="Average", error="no permission")
    rule = PlannedCriterion(source="throughput<450/s", where="d", language="toril")
    metrics = ServerMetrics(queries=(query, silent))
    return replace(examples.passed(), plan=examples.plan(criteria=(rule,)), metrics=metrics)


def _browsers() -> Bundle:
    run, folder = examples.passed(), "workers/local-1/ab12/failures/"
    files = [f"{folder}0-1{ending}" for ending in (".jpg", ".source.txt", ".trace.zip")]
    one = {"worker": "local-1", "execution": "buying", "label": "Pay", "message": "no button", "at_s": 7.25}
    found = examples.with_summary(run, first_failures=[{**one, "files": files}])
    return replace(found, pictures={files[0]: b"\xff\xd8\xff\xe0picture"})


def _on_fargate() -> Bundle:
    run = examples.passed()
    return replace(run, plan=run.plan.model_copy(update={"on": "fargate"}), cost=COST)


RUNS: dict[str, Callable[[], Bundle]] = {
    "passed": lambda: run_of(small(), "p95>250ms", "fail>1%"),
    "failed": _failed,
    "inconclusive": examples.inconclusive,
    "lost": lambda: run_of(small(), "p95>250ms", lost=(("local-1", "killed by signal 9"),)),
    "stopped": lambda: run_of(small(), "p95>250ms", stop=stopped("user")),
    "without criteria": lambda: run_of(wavering("cart", 80)),
    "ended early": _ended_early,
    "errors": _errors,
    "many labels": _many_labels,
    "saturated": _saturated,
    "measuring": _measuring,
    "load curve": lambda: run_of(
        [one for second in range(40) for one in every_second([second], Sample(0), 10 if second < 20 else 35)],
        "p95>250ms",
        plan={
            "executions": [
                execution(curve=STAIRS, throughput_rps=40.0, hold_for_s=40.0, concurrency=None, executor="vegeta")
            ]
        },
    ),
    "capacity": _searched,
    "functional": lambda: functional_run(
        case("adds"),
        case("pays", "failed", message="201 is not 200", trace="line one\nline two"),
        case("ships", "broken"),
        case("returns", "skipped", message="later"),
    ),
    "regression": lambda: compared(examples.passed(), REGRESSION, "regression"),
    "pairs": lambda: compared(examples.passed(), PAIRED, "regression"),
    "earlier": lambda: examples.with_verdict(
        examples.passed(),
        outcome="failed",
        reasons=[{"code": "slower-than-earlier", "message": EARLIER["message"]}],
        earlier=EARLIER,
    ),
    "neutral": lambda: compared(examples.passed(), NEUTRAL, "unproven"),
    "service": _service,
    "browsers": _browsers,
    "evidence": exchanges.failed,
    "on Fargate": _on_fargate,
    "hostile": examples.hostile,
    "empty": examples.empty,
}
PAIRS: dict[str, tuple[str, str]] = {
    "slower": ("without criteria", "load curve"),
    "same": ("passed", "passed"),
    "measured": ("measuring", "measuring"),
    "failing": ("passed", "errors"),
    "searched": ("capacity", "capacity"),
    "attacked": ("hostile", "failed"),
    "nothing": ("passed", "empty"),
}


@cache
def run(name: str) -> Bundle:
    return RUNS[name]()
