"""Parts of a suite: the executions that options name, with the criteria that they can decide."""

from typing import Any

import pytest

from tests.refusals import refused
from tests.suite.reading import write
from toril.plan.options import RunOptions, plan_run
from toril.runs.history import fingerprint_of, kind_of

SHOP: dict[str, Any] = {
    "execution": [
        {"scenario": "browse", "concurrency": 4, "hold-for": "1m", "criteria": ["fail>1%"]},
        {"scenario": "buy", "concurrency": 2, "hold-for": "1m", "criteria": ["fail>2%"]},
        {"scenario": "buy", "concurrency": 3, "hold-for": "1m"},
    ],
    "scenarios": {
        "browse": {"requests": [{"url": "/list", "label": "list"}, {"url": "/", "label": "home"}]},
        "buy": {"requests": [{"url": "/cart", "label": "cart"}, {"url": "/", "label": "home"}]},
    },
    "reporting": [
        {"module": "passfail", "criteria": ["p95 of list>1s", "p95 of cart>1s", "avg-rt of home>1s", "fail>5%"]}
    ],
}


def planned(folder, suite=SHOP, **options):
    return plan_run([write(folder, suite)], RunOptions(confined=True, run_id="r", **options), 0.0)[1]


@pytest.mark.parametrize(
    ("options", "users", "criteria"),
    [
        ({"executions": ["browse"]}, {"browse": 4}, ["p95 of list>1s", "avg-rt of home>1s", "fail>5%", "fail>1%"]),
        ({"executions": ["buy#2"]}, {"buy#2": 3}, ["p95 of cart>1s", "avg-rt of home>1s", "fail>5%"]),
        (
            {"scenarios": ["buy"]},
            {"buy": 2, "buy#2": 3},
            ["p95 of cart>1s", "avg-rt of home>1s", "fail>5%", "fail>2%"],
        ),
    ],
)
def test_a_part_has_the_load_of_its_executions_and_the_criteria_that_it_can_decide(tmp_path, options, users, criteria):
    plan = planned(tmp_path, **options)
    assert {load.name: load.concurrency for load in plan.executions} == users
    assert [rule.source for rule in plan.criteria] == criteria
    assert plan.warning_codes.count("left-out-criterion") == 6 - len(criteria)
    assert (plan.part, plan.tags) == (tuple(users), {"part": ",".join(users)})


def test_all_executions_are_no_part(tmp_path):
    whole = planned(tmp_path)
    assert planned(tmp_path, executions=["browse"], scenarios=["buy"]) == whole
    assert (whole.part, whole.tags, len(whole.criteria)) == ((), {}, 6)


def test_a_part_is_compared_with_no_run_of_the_whole_suite(tmp_path):
    suite = {**SHOP, "toril": {"earlier-runs": {}}}
    whole, part = planned(tmp_path, suite), planned(tmp_path, suite, executions=["browse"])
    assert fingerprint_of(part, None) != fingerprint_of(whole, None)
    assert (kind_of(whole), kind_of(part), kind_of(planned(tmp_path, executions=["buy"], smoke=True))) == (
        "run", "part", "smoke",
    )  # fmt: skip
    assert (whole.earlier is None, part.earlier) == (False, None)


def test_a_criterion_of_a_script_that_may_send_its_label_stays(tmp_path):
    (tmp_path / "own.py").write_text("")
    own = {"scenario": {"script": "own.py"}, "executor": "locust", "hold-for": "1m"}
    suite = {**SHOP, "execution": [*SHOP["execution"], own]}
    assert len(planned(tmp_path, suite, executions=["own.py"]).criteria) == 4


@pytest.mark.parametrize("options", [{"executions": ["bruwse"]}, {"scenarios": ["buy#2"]}])
def test_an_unknown_part_is_refused_with_the_nearest_name(tmp_path, options):
    with refused("unknown-execution", "browse" if "executions" in options else "buy"):
        planned(tmp_path, **options)
