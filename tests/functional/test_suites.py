"""Functional suites: their plan, and the keys that they refuse."""

import pytest

from tests.reports.parsed import printed
from tests.suite.reading import codes, read, refuses
from toril.plan import make_plan
from toril.reports import plan_text

FUNCTIONAL = {"settings": {"aggregator": "functional-consolidator"}}


def suite(executor="apiritif", **keys):
    return {"execution": [{"scenario": {"requests": ["http://shop/"]}, "executor": executor, **keys}], **FUNCTIONAL}


def test_each_execution_runs_once_on_one_worker(tmp_path):
    written = suite()
    written["execution"] = written["execution"] * 3
    plan = make_plan(read(tmp_path, written), run_id="run", workers=2)
    assert plan.functional
    assert sorted(part.execution for share in plan.shares for part in share.executions) == [
        "apiritif", "apiritif#2", "apiritif#3",
    ]  # fmt: skip
    assert {one.concurrency for one in plan.executions} == {one.iterations for one in plan.executions} == {1}
    assert "every test case once" in printed(plan_text, plan)
    assert "fails when a test case does" in printed(plan_text, plan)


def test_a_suite_without_the_aggregator_is_a_load_test(tmp_path):
    plan = make_plan(read(tmp_path, {**suite(), "settings": {}}), run_id="run", workers=1)
    assert not plan.functional


def test_a_smoke_run_of_a_functional_suite_is_unchanged(tmp_path):
    plan = make_plan(read(tmp_path, suite()), run_id="run", workers=None, smoke=True)
    assert [one.hold_for_s for one in plan.executions] == [0]


def script(folder, executor, **keys):
    (folder / "tests").touch()
    return {"execution": [{"scenario": {"script": "tests"}, "executor": executor, **keys}]}


@pytest.mark.parametrize("executor", ["pytest", "robot", "junit"])
def test_a_suite_that_only_runs_tests_is_functional_without_the_aggregator(tmp_path, executor):
    found = read(tmp_path, script(tmp_path, executor))
    assert found.functional
    assert codes(found.warnings) == ["functional-by-executor"]
    assert read(tmp_path, {**script(tmp_path, executor), **FUNCTIONAL}).warnings == ()


def test_tests_make_no_load(tmp_path):
    refuses(tmp_path, script(tmp_path, "robot", iterations=5), "ignored-load", "execution[0].iterations", "Locust")
    mixed = [*script(tmp_path, "junit")["execution"], {"scenario": {"requests": ["http://shop/"]}}]
    refuses(tmp_path, {"execution": mixed}, "refused-executor", "execution[0].executor", "`junit`", "Locust")


def test_a_test_runner_needs_a_script(tmp_path):
    refuses(tmp_path, {"execution": [{"scenario": {"requests": ["/"]}, "executor": "robot"}]}, "missing-script")


@pytest.mark.parametrize(
    ("key", "value"),
    [("concurrency", 2), ("iterations", 2), ("throughput", 5), ("ramp-up", "5s"), ("hold-for", "1m"), ("steps", 3)],
)
def test_a_load_key_is_refused_with_the_fix(tmp_path, key, value):
    refuses(tmp_path, suite(**{key: value}), "ignored-load", f"execution[0].{key}")


@pytest.mark.parametrize("key", ["concurrency", "iterations"])
def test_a_load_of_one_is_accepted(tmp_path, key):
    assert read(tmp_path, suite(**{key: 1})).functional


@pytest.mark.parametrize("executor", ["locust", "selenium"])
def test_an_executor_whose_test_cases_cannot_be_read_is_refused(tmp_path, executor):
    refuses(tmp_path, suite(executor), "unsupported-executor", executor, "jmeter", "apiritif", "pytest")


def test_criteria_are_refused_in_every_place(tmp_path):
    criteria = {"reporting": [{"module": "passfail", "criteria": ["p95>1s"]}]}
    refuses(tmp_path, {**suite(), **criteria}, "unjudged-criterion", "reporting[0].criteria[0]")
    refuses(tmp_path, suite(criteria=["fail>0%"]), "unjudged-criterion", "execution[0].criteria[0]")
    ours = {**suite(), "toril": {"criteria": ["throughput<1/s"]}}
    refuses(tmp_path, ours, "unjudged-criterion", "toril.criteria[0]")


def test_a_misspelt_aggregator_is_refused(tmp_path):
    slip = {**suite(), "settings": {"aggregator": "functional-consolidatr"}}
    refuses(tmp_path, slip, "unknown-value", "settings.aggregator", "functional-consolidatr")
    assert not read(tmp_path, {**suite(), "settings": {"aggregator": "consolidator"}}).functional
