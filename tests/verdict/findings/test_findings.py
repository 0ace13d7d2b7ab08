"""Findings on services whose faults are known. `python -m tests.verdict.findings 0-200` measures all rates."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.measured import Sample as Request
from tests.measured import every_second, execution, plan_of
from tests.reports.runs import run_of as run_of_samples
from tests.reports.runs import store_run
from tests.verdict.findings.services import CLEAN, FAULTY, Service, run_of
from toril.records import Duet, run_key
from toril.records.summary import FINDING_CODES, Generators, RunFinding
from toril.runs.conclude import judge_again
from toril.store import FolderStore
from toril.verdict.findings import ANALYSES, findings_of

SEEDS, NIGHT = range(3), range(200)
EACH_TIME = (
    "plain", "1 % errors", "heavy tails", "cold caches", "steps", "two equal regions", "two users", "journey",
    "throughput is flat", "4 % errors from 250/s", "a tenth is slow", "users in step", "stalls", "slow region", "leak",
)  # fmt: skip
ALL = {**{name: ("", service) for name, service in CLEAN.items()}, **FAULTY}


def codes(service: Service, seed: int) -> set[str]:
    return {one.code for one in findings_of(*run_of(service, seed))}


def alarms(name: str, seeds: range) -> tuple[int, int]:
    """Returns in how many runs the service's own standout was found, and in how many another one."""
    own, service = ALL[name]
    found = [codes(service, seed) for seed in seeds]
    return sum(own in one for one in found), sum(bool(one - {own}) for one in found)


@pytest.mark.parametrize("name", EACH_TIME)
def test_each_audit_finds_its_own_fault_and_none_finds_one_in_a_clean_service(name):
    found, others = alarms(name, SEEDS)
    assert others == 0
    assert found >= (len(SEEDS) - 1 if name in FAULTY else 0)


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(ALL))
def test_the_rates_of_the_documentation_hold_in_200_runs(name):
    found, others = alarms(name, NIGHT)
    assert others == 0 if name in CLEAN else others <= 0.05 * len(NIGHT)
    assert found >= (0.95 * len(NIGHT) if name in FAULTY else 0)


def only(name: str, seed: int = 3) -> RunFinding:
    (found,) = findings_of(*run_of(ALL[name][1], seed))
    return found


def test_saturation_names_the_knee():
    found = only("throughput is flat")  # 200/s are reached with 30 of 100 users, in second 18
    assert found.evidence["load_at_knee"] == pytest.approx(30, abs=6)
    assert found.from_s == pytest.approx(18, abs=4)
    assert found.evidence["throughput_at_top_rps"] == pytest.approx(200, rel=0.1)


@pytest.mark.parametrize(
    ("name", "by", "second"), [("4 % errors from second 70", "time", 70), ("4 % errors from 250/s", "load", 62)]
)
def test_errors_began_at_a_moment_or_at_a_load(name, by, second):
    found = only(name)
    assert found.evidence["began_by"] == by
    assert found.from_s == pytest.approx(second, abs=6)
    assert found.evidence["error"] == "Internal Server Error"
    assert found.label


def test_errors_that_ended_have_an_end():
    bad = Request(0, ok=False, rc="503")
    samples = [*every_second(range(60), times=20), *every_second(range(30, 35), bad, times=5)]
    run = run_of_samples(samples, plan={"executions": [execution(hold_for_s=60.0)]})
    assert run.timeline is not None
    (found,) = findings_of(run.plan, run.summary, run.timeline)
    assert (found.code, found.from_s, found.to_s) == ("errors-began", 30, 35)


def test_a_stall_has_its_period():
    found = only("stalls")
    assert found.evidence["period_s"] == pytest.approx(10, abs=0.3)
    assert float(found.evidence["in_stalls_p99_us"]) > 2 * float(found.evidence["p99_us"])


@pytest.mark.parametrize(
    ("name", "location", "cause"), [("slow region", "us", "longer times"), ("far region", "ap", "constant offset")]
)
def test_a_slow_location_is_told_from_a_far_one(name, location, cause):
    found = only(name)
    assert (found.location, found.evidence["cause"]) == (location, cause)


def test_a_dominant_label_has_the_p99_without_it():
    found = only("a tenth is slow")
    assert found.label == "POST /checkout"
    assert float(found.evidence["p99_without_us"]) < 0.5 * float(found.evidence["p99_us"])


def test_every_code_of_the_settings_is_an_audit_and_explained():
    assert set(ANALYSES) == set(FINDING_CODES)
    page = (Path(__file__).parents[3] / "docs/explanation/findings.md").read_text("utf-8")
    assert all(f"\n| `{code}` |" in page for code in FINDING_CODES)


@pytest.mark.parametrize("code", FINDING_CODES)
def test_an_audit_can_be_turned_off(code):
    name = next(name for name, (own, _) in FAULTY.items() if own == code)
    plan, summary, timeline = run_of(FAULTY[name][1], 3)
    assert not findings_of(plan.model_copy(update={"audits_off": (code,)}), summary, timeline)


TURNS = Duet(base="http://a", head="http://b", margin=0.03, blocks=2, block_s=5, turn_s=5, gap_s=1, order="ABBA")


@pytest.mark.parametrize("changes", [{"tried": True}, {"functional": True}, {"duet": TURNS}])
def test_runs_that_are_no_load_tests_have_no_standouts(changes: dict[str, Any]):
    plan, summary, timeline = run_of(FAULTY["leak"][1], 3)
    assert not findings_of(plan.model_copy(update=changes), summary, timeline)


def test_nothing_stands_out_that_a_saturated_generator_may_cause():
    plan, summary, timeline = run_of(Service(leak=0.6, fails_from_s=70.0), 3)
    assert [one.code for one in findings_of(plan, summary, timeline)] == ["errors-began", "drift"]
    busy = replace(summary, generators=Generators(saturated=("local-1",)))
    assert [one.code for one in findings_of(plan, busy, timeline)] == ["errors-began"]


def test_an_audit_that_fails_is_reported_and_the_others_go_on():
    plan, summary, timeline = run_of(Service(leak=0.6), 3)
    labels = {name: replace(one, histogram=((1, 2),)) for name, one in summary.labels.items()}  # type: ignore[arg-type]
    first, second = findings_of(plan, replace(summary, labels=labels), timeline)
    assert (first.code, second.code) == ("drift", "dominant-label")
    assert "IndexError" in second.message


def test_what_stands_out_is_in_the_summary_of_a_judged_run(tmp_path):
    pay = Request(0, label="pay")
    bad = replace(pay, ok=False, rc="500")
    samples = [*every_second(range(30), pay, times=20), *every_second(range(20, 30), bad, times=5)]
    store, plan = FolderStore(tmp_path), plan_of(executions=(execution(hold_for_s=30.0),))
    store_run(tmp_path, "run", samples)
    store.put(run_key("run", "plan.json"), plan.model_copy(update={"run_id": "run"}).to_json())
    found = judge_again(store, "run").summary.standouts
    assert [(one.code, one.label, one.from_s) for one in found] == [("errors-began", "pay", 20)]
