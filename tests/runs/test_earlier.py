"""Earlier runs: which are read, and the verdict of a run beside them."""

from dataclasses import replace

import pytest

from tests.launchers.scene import Scene
from tests.regression.series import nights
from toril.plan.options import RunOptions, plan_run
from toril.records import EarlierAsked
from toril.records.history import KeptPercentile
from toril.runs.conclude import judge_again
from toril.runs.earlier import earlier_runs
from toril.runs.history import history, remember
from toril.store import FolderStore


def test_the_newest_comparable_runs_before_a_run_are_read(tmp_path):
    store, records = FolderStore(tmp_path), nights([40_000] * 70)
    for place, one in enumerate(records):
        remember(store, replace(one, branch="pull/7") if place % 2 else one)
    remember(store, replace(records[60], outcome="inconclusive", reasons=("saturated",)))  # judged again
    found = earlier_runs(store, records[66], 3)
    assert [one.run_id for one in found] == [records[place].run_id for place in (64, 62, 58)]
    assert len(earlier_runs(store, records[66], 50)) == 32


@pytest.fixture
def scene(tmp_path):
    one = Scene(tmp_path)
    one.plan = one.plan.model_copy(update={"earlier": EarlierAsked()})
    return one


def remember_earlier(one, count, factor=1.0):
    """Stores runs like the finished one, before it. Their times are those of the run, divided by `factor`."""
    (record,) = history(one.store, one.plan.suite, 1)
    for number in range(count):
        part = factor * (1 + 0.002 * (number % 5))
        times = {
            name: KeptPercentile(value_us=round(kept.value_us / part))
            for name, kept in record.total.percentiles.items()
        }
        total = replace(record.total, percentiles=times)
        started_at = record.started_at - 86_400 * (number + 1)
        before = replace(record, run_id=f"n{number:02}", revision=1, started_at=started_at, total=total)
        remember(one.store, replace(before, outcome="passed", reasons=("kept",)))


def test_a_run_is_judged_beside_earlier_runs_and_again_with_the_same_result(scene):
    scene.run()
    assert (scene.verdict()["outcome"], list(scene.reasons())) == ("inconclusive", ["too-few-earlier"])

    remember_earlier(scene, 8)
    bundle = judge_again(scene.store, scene.plan.run_id)
    assert (bundle.outcome, scene.verdict()["outcome"]) == ("passed", "passed")
    assert scene.verdict()["earlier"]["runs"] == [f"n{number:02}" for number in range(8)]
    assert list(scene.reasons()) == ["kept", "within-earlier"]
    assert scene.verdict()["earlier"] == judge_again(scene.store, scene.plan.run_id).verdict.to_dict()["earlier"]
    assert history(scene.store, scene.plan.suite, 1)[0].reasons == ("kept", "within-earlier")


def test_a_slower_run_fails(scene):
    scene.run()
    remember_earlier(scene, 12, factor=1.5)
    assert judge_again(scene.store, scene.plan.run_id).outcome == "failed"
    assert list(scene.reasons()) == ["slower-than-earlier"]


def test_an_unreadable_history_is_an_error_and_no_pass(scene):
    scene.store.fails = lambda operation, key: operation in ("keys", "entries") and key.startswith("history/")
    assert scene.run().unwritten


SUITE = """
execution: {executor: locust, concurrency: 1, hold-for: 30s, scenario: shop}
scenarios: {shop: {requests: ["http://127.0.0.1/"]}}
"""
ASKED = EarlierAsked(runs=20, labels=("checkout",), margin=0.05)


@pytest.mark.parametrize(
    ("block", "options", "expected"),
    [
        (False, {}, None),
        (False, {"earlier_runs": True}, EarlierAsked()),
        (True, {}, ASKED),
        (True, {"earlier_runs": True}, ASKED),
        (True, {"earlier_runs": False}, None),
        (True, {"smoke": True}, None),
        (True, {"tried": True}, None),
    ],
)
def test_the_suite_or_the_command_asks_for_the_comparison(tmp_path, block, options, expected):
    asked = "toril: {earlier-runs: {runs: 20, labels: [checkout], margin: 5%}}\n" if block else ""
    (tmp_path / "suite.yml").write_text(SUITE + asked)
    _, plan = plan_run([tmp_path], RunOptions(**options), 0.0)
    assert plan.earlier == expected
