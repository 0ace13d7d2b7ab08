"""The content of verdict.json: one run for each code. `python -m tests.verdict.test_golden` regenerates the file.

Only this file compares the wording of verdicts; other tests compare codes and figures.
`records/test_stored.py` compares each byte.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tests.duets import SUITE, on_one_host, planned
from tests.functional.tested import case, functional_run
from tests.measured import (
    BROKEN,
    FAST,
    MS,
    SLOW,
    START,
    TIMES,
    Sample,
    every_second,
    execution,
    good,
    left,
    plan_of,
    stopped,
    timeline_of,
    verdict_of,
)
from tests.regression import test_earlier as nights
from tests.regression import test_verdict as duets
from tests.verdict import test_server_criteria as servers
from toril import verdict as the_verdict
from toril.records import Case, EngineReport, Exit, Plan, Rate, Verdict
from toril.records.summary import FaultTimes
from toril.records.verdict import JudgedCriterion
from toril.regression import earlier
from toril.regression import verdict as regression
from toril.timeline import Timeline
from toril.verdict import differing

GOLDEN = Path(__file__).with_name("verdicts.yaml")
TEN = range(10)
USERS = dict.fromkeys(TEN, 10)
DEAD = Sample(0, 2 * MS, label="login", ok=False, rc="401")
OPEN = execution(executor="vegeta", concurrency=None, throughput_rps=100.0, curve=((0.0, 100.0), (10.0, 100.0)))
OURS = (
    "throughput<450/s", "load<99% for 3s", "generator-cpu>50%", "generator-memory>1MB for 2s", "generator-dropped>0"
)  # fmt: skip
TAURUS = (
    "Too slow: p95 of home>100ms for 3s, stop as failed", "avg-rt>1.5s", "p50>=300ms within 4s", "stdev-rt<1ms",
    "bytes>10MB", "bytes>800 for 3s", "hits<5", "hits>5 for 3s", "succ<99.5%", "fail>1% over 4s", "rc2??>50%",
    "concurrency>5", "fail=0", "rcOK>5",
)  # fmt: skip


def reporting(**fields: object) -> dict[str, Exit]:
    return {"local-1": left(executions={"shop": EngineReport.model_validate(fields)})}


def busy(sample: Sample = FAST, **more: object) -> Timeline:
    return timeline_of(every_second(TEN, sample, 10), users=USERS, **more)  # type: ignore[arg-type]


def both(sample: Sample) -> Timeline:
    return timeline_of(every_second(TEN, FAST, 10) + every_second(TEN, sample, 10), users=USERS)


def measured(*more: Sample) -> Timeline:
    """Returns a run whose script measures `items` and checks `seen`, which fails once."""
    items = [Sample(second, 1000 * number, "items", kind="trend") for second in TEN for number in (1, 2, 3)]
    seen = [Sample(0, 0, "seen", kind="check", ok=second > 0) for second in TEN]
    return timeline_of([*every_second(TEN, FAST, 10), *items, *seen, *more], users=USERS)


def of(timeline: Timeline, *criteria: str, **circumstances: object) -> dict[str, object]:
    plan = plan_of(*(criteria or (TIMES,)))
    return verdict_of(timeline, circumstances.pop("plan", plan), **circumstances).to_dict()  # type: ignore[arg-type]


def consuming(plan: Plan) -> Plan:
    """The plan with a file whose 25 rows are used once."""
    parts = len(plan.shares)
    shares = [share.model_copy(update={"data_files": {"vouchers.csv": (share.index, parts)}}) for share in plan.shares]
    return plan.model_copy(update={"shares": tuple(shares), "consume_once": {"vouchers.csv": 25}})


def beside(now_us: int, count: int = 12) -> dict[str, object]:
    found = nights.judged(nights.STEADY[:count], now_us, labels=("checkout",))
    return earlier.with_earlier(verdict_of(good(), plan_of(TIMES)), found).to_dict()


def duet(**how: object) -> dict[str, object]:
    known, alike = how.pop("known", {}), bool(how.pop("aa", False))
    with tempfile.TemporaryDirectory() as folder:
        plan = on_one_host(planned(Path(folder), SUITE + duets.LIMIT), aa=alike)
        return duets.verdict(plan, duets.measured(plan, **how), **known)  # type: ignore[arg-type]


RATE = Rate(number=1, execution="shop", rps=5.0, at=START + 4, asked_at=START + 3, cause="user")


def of_cases(*cases: Case) -> Mapping[str, object]:
    return functional_run(*cases).verdict.to_dict()


RUNS: Mapping[str, Callable[[], Mapping[str, object]]] = {
    "kept": lambda: of(good(), *TAURUS[1:4]),
    "kept in steady time of two places": lambda: of(
        timeline_of([replace(one, location=place) for one in every_second(TEN, FAST, 5) for place in ("eu", "us")]),
        plan=plan_of(
            {"subject": "p90", "condition": ">", "threshold": "1s", "location": "eu"},
            locations=("eu", "us"),
            ramp_up_exclude=True,
        ),
    ),
    "breach": lambda: of(busy(replace(SLOW, bytes=900), health=0.6), plan=plan_of(*TAURUS, ours=OURS)),
    "saturated, excused-breach": lambda: of(good(sample=SLOW, health=0.99)),
    "late-start": lambda: of(good(), exits={"local-1": left(first_sample_lateness_s={"shop": 1.2})}),
    "unsure-clock": lambda: of(good(), clock_s={"local-1": (0.2, 0.9)}),
    "late-rate": lambda: of(good(), exits={"local-1": left(rate_lateness_s={1: 1.5})}, rates=(RATE,)),
    "breach-may-not-stand, lost-worker": lambda: of(
        good(sample=SLOW), plan=plan_of("avg-rt>200ms", workers=2), lost=(("local-2", "killed by signal 9"),)
    ),
    "pass-may-not-stand": lambda: of(good(), plan=plan_of(TIMES, workers=2), reported=("local-1",)),
    "damaged-file": lambda: of(good(), damaged=("runs/r/workers/local-1/abcd/intervals-000002 is missing",)),
    "missing-samples": lambda: of(good(), exits={"local-1": left(samples=1_010)}),
    "surplus-samples": lambda: of(good(), exits={"local-1": left(samples=10)}),
    "unreadable-records": lambda: of(good(), exits={"local-1": left(unreadable_records=3)}),
    "setup-failed": lambda: of(
        Timeline(), started_at=None, failed_steps={"setup": "setup: prepare.py: ValueError: no shop"}
    ),
    "teardown-failed": lambda: of(good(10), failed_steps={"teardown": "teardown: prepare.py: it was interrupted"}),
    "fault-failed": lambda: of(good(10), faults=(FaultTimes(what="EXT1", failure="AWS FIS refused the request"),)),
    "unused-rows": lambda: of(
        good(),
        plan=consuming(plan_of(TIMES, workers=2)),
        lost=(("local-2", "killed by signal 9"),),
    ),
    "few-rows": lambda: of(
        good(), plan=consuming(plan_of(TIMES)), exits=reporting(ended_s=8.0, unfinished_users=2)
    ),
    "stopped": lambda: of(good(5), stop=stopped("user")),
    "ended-early": lambda: of(good(), exits=reporting(ended_s=8.0, unfinished_users=2)),
    "unreached-load, dropped-sends": lambda: of(
        timeline_of(every_second(TEN, FAST, 80)), plan=plan_of(TIMES, executions=[OPEN]), exits=reporting(dropped=150)
    ),
    "unreached-load of users": lambda: of(timeline_of(every_second(TEN, FAST, 9), users=dict.fromkeys(TEN, 9))),
    "no-success": lambda: of(good(sample=BROKEN)),
    "unanswered": lambda: of(busy(waits_s=[9.0]), "fail>0%"),
    "stalled": lambda: of(
        timeline_of([*every_second(TEN, FAST, 10), *[Sample(9, 6_000 * MS)] * 3], users=USERS), "fail>0%"
    ),
    "script-errors": lambda: of(
        both(replace(BROKEN, label="Buyer: exception", kind="transaction")),
        exits=reporting(script_errors={"Buyer: exception": 100}, note="2 thresholds were crossed"),
    ),
    "missing-value": lambda: of(
        busy(), exits=reporting(missing_values=({"label": "home", "variable": "token", "responses": 9},))
    ),
    "script-failed": lambda: of(busy(), exits=reporting(script_failed="the locustfile set process_exit_code to 1")),
    "dead-label": lambda: of(both(DEAD)),
    "unjudged-failures": lambda: of(timeline_of([*every_second(TEN, DEAD, 2), *every_second(TEN, FAST, 8)] * 3 + [
        replace(DEAD, ok=True)
    ], users=USERS)),
    "no-samples": lambda: of(good(), plan=plan_of(ours=["p95 of (transaction)>1s", "load<9% in us"])),
    "unknown-label": lambda: of(good(), "p95 of hom>1s", "fail of xyz>50% for 5s"),
    "failed-checks": lambda: of(measured(), "avg-rt>1s"),
    "too-many-tag-values": lambda: of(
        measured(*(Sample(0, label=f"home{{user={number}}}", kind="tagged") for number in range(51))),
        plan=plan_of(ours=["check-rate<9%"]),
    ),
    "too-many-metrics": lambda: of(
        measured(*(Sample(0, label=f"order {number}", kind="counter") for number in range(201))),
        plan=plan_of(ours=["check-rate<9%"]),
    ),
    "unknown-metric": lambda: of(measured(), plan=plan_of(ours=[
        "metric-p95 of itmes>3", "metric-sum of items>3", "metric-sum of errors>0", "check-rate of sen<9%",
        "check-rate<99%", "metric-max of items>2.5", "metric-p50 of items>=2 within 4s",
    ])),
    "not-measured": lambda: of(good(), plan=plan_of("avg-lt>1s", ours=["generator-core>5%", "capacity<9/s"])),
    "not-priced": lambda: of(good(), plan=plan_of(ours=["cost-per-million>0.40"])),
    "too-few-samples": lambda: of(busy(), "p99>1s"),
    "never-a-full-window": lambda: of(busy(), "avg-rt>1s for 30s"),
    "triggered": lambda: of(good(sample=SLOW), TIMES + ", continue as non-failed", "avg-rt>2s"),
    "wording of breaches": lambda: of(
        timeline_of([*every_second(range(9)), replace(BROKEN, second=9)], users=USERS),
        "hits<20", "fail>0%", "fail>9%", "hits>=10", "hits=10", "avg-rt>99.9996ms", "concurrency>9",
    ),
    "wording of windows": lambda: of(timeline_of(every_second([0, 1, 9], SLOW, 3), users=USERS), "avg-rt>100ms for 5s"),
    "wording of passes": lambda: of(
        timeline_of(every_second(TEN, replace(FAST, bytes=100), 9) + every_second(TEN, BROKEN), users=USERS),
        "avg-rt<=49.99ms", "avg-rt>1s", "bytes>1kB for 2s", "rcExeption>0", "rc404>0", "stdev-rt>120ms for 2s",
    ),
    "CloudWatch": lambda: of(
        good(300),
        plan=plan_of(ours=[{"The balancer is slow": servers.ALB}], executions=[servers.LONG]),
        metrics=servers.answers(servers.ALB, 0.1, 0.2, 0.412, 0.2, 0.1, 0.1),
    ),
    "CloudWatch without values": lambda: of(good(), plan=plan_of(ours=[servers.ALB])),
    "nothing-judged": lambda: of(good(), plan=plan_of()),
    "slower-than-earlier": lambda: beside(43_500),
    "within-earlier": lambda: beside(40_100),
    "too-few-earlier": lambda: beside(40_100, 5),
    "not-as-recorded": lambda: differing(Verdict(outcome="passed"), "GET /cart: status: 200 → 401").to_dict(),
    "log-in-page": lambda: differing(Verdict(outcome="passed"), "1 of 2 requests", from_log_in=True).to_dict(),
    "failed-request": lambda: of(both(DEAD), plan=plan_of().model_copy(update={"tried": True})),
    "unfinished requests": lambda: of(busy(unfinished=5)),
    "failed-test": lambda: of_cases(case("adds"), case("pays", "failed"), case("leaves", "broken")),
    "no-tests": lambda: of_cases(),
    "tests-passed": lambda: of_cases(case("adds"), case("waits", "skipped")),
    "regression": lambda: duet(slower=1.3),
    "no-regression": lambda: duet(),
    "unproven": lambda: duet(slower=1.03),
    "aa-clean": lambda: duet(aa=True),
    "aa-false-alarm": lambda: duet(aa=True, slower=1.3),
    "unsure-arms": lambda: duet(slower=1.3, known={"damaged": ("workers/local-1/a/intervals-2 is missing",)}),
}  # fmt: skip


DEFAULTS = Verdict(outcome="passed", criteria=(JudgedCriterion(stop=True),)).to_dict()


def lean(part: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields whose values are not defaults."""
    return {name: value for name, value in part.items() if name not in defaults or value != defaults[name]}


def shown(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a verdict without defaults, and a comparison without its pairs."""
    (criterion,) = DEFAULTS["criteria"]
    found = lean({**verdict, "criteria": [lean(judged, criterion) for judged in verdict["criteria"]]}, DEFAULTS)
    if "comparison" in found:
        metrics = [{**metric, "pairs": len(metric["pairs"])} for metric in found["comparison"]["metrics"]]
        found["comparison"] = {**found["comparison"], "metrics": metrics}
    return {"outcome": verdict["outcome"], **found}


def written() -> str:
    verdicts = {name: shown(run()) for name, run in RUNS.items()}
    options: dict[str, Any] = {"width": 118, "default_flow_style": None, "allow_unicode": True, "sort_keys": False}
    return str(yaml.safe_dump(verdicts, **options))


def test_verdicts_equal_the_golden_file():
    assert written() == GOLDEN.read_text()


def test_each_code_of_the_tables_has_an_example():
    tables = "".join(one.__doc__ or "" for one in (the_verdict, regression, earlier))
    known = {*re.findall(r"^\| `([a-z-]+)` *\| (?!a note)", tables, re.MULTILINE)}
    verdicts = yaml.safe_load(GOLDEN.read_text()).values()
    found = {one["code"] for verdict in verdicts for one in (*verdict["reasons"], *verdict.get("criteria", []))}
    assert known <= found


if __name__ == "__main__":
    GOLDEN.write_text(written())
