"""`toril.capacity`: what a search is planned as, and what would make it worthless is refused."""

import pytest

from tests.suite.reading import read, refusal, write
from toril.errors import SuiteError
from toril.plan import make_plan
from toril.plan.options import RunOptions
from toril.regression.duet import plan_duet
from toril.reports import plan_text

SEARCH = {"from": 100, "to": "5000/s", "until": ["p95>300ms", "fail>1%"]}


def suite(search=None, *, name="shop", criteria=(), passfail=(), **execution):
    return {
        "execution": [{"scenario": "shop", "executor": "vegeta", **execution}],
        "scenarios": {"shop": {"requests": [{"url": "http://127.0.0.1/", "label": "home"}]}},
        "reporting": [{"module": "passfail", "criteria": list(passfail)}] if passfail else [],
        "toril": {"capacity": {name: {**SEARCH, **(search or {})}}, "criteria": list(criteria)},
    }


def planned(folder, document, on="local"):
    return make_plan(read(folder, document, on=on), run_id="r", workers=None, on=on)


def test_a_search_is_planned_at_its_lowest_rate_with_workers_for_its_highest(tmp_path):
    plan = planned(tmp_path, suite({"to": 50_000}))
    (execution,) = plan.searched
    assert execution.search is not None
    assert execution.rate is not None
    assert {rps for _, rps in execution.curve} == {100}
    assert execution.throughput_rps == 50_000
    assert execution.hold_for_s == execution.rate.length_s > 200
    assert len(plan.shares) > len(planned(tmp_path, suite()).shares)


def test_on_fargate_it_may_take_longer_since_every_rate_has_to_get_there(tmp_path):
    lengths = [planned(tmp_path, suite(), on).duration_s for on in ("local", "fargate")]
    assert lengths[0] < lengths[1]


def test_the_plan_says_what_it_does_and_how_long_it_may_take(tmp_path):
    said = " ".join(plan_text.render(planned(tmp_path, suite())).split())
    assert "looks for the capacity of shop: from 100/s to 5,000/s until p95>300ms or fail>1%, within 5 %" in said
    assert "stages of 20 s at most" in said


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"to": 100}, "toril.capacity.shop.to is 100/s, no more than `from`"),
        ({"from": 0}, "toril.capacity.shop.from is not above 0"),
        ({"from": "fast"}, "toril.capacity.shop.from is no rate; write it like 500, 500/s or 30/min"),
        ({"until": []}, "toril.capacity.shop.until is empty; write one at least"),
        ({"until": ["p95>"]}, "toril.capacity.shop.until[0] is `p95>`, without a threshold"),
        ({"until": ["throughput<5/s"]}, "Taurus does not have"),
        ({"until": ["hits>5"]}, "rises and falls with the rate itself; use one of avg-rt"),
        ({"until": ["p95>1s, continue as non-failed"]}, "leave `as non-failed` out"),
        ({"until": ["p95 of hoem>1s"]}, "did you mean `home`?"),
        ({"until": ["p95>1s for 1m"]}, "longer than the 15 s of a stage that are judged; make `step` longer"),
        ({"until": ["p99.9>1s"]}, "which needs 3,"),
        (
            {"from": 10},
            "`fail>1%`, which needs 300 samples, and a stage at 10/s has 150; use `step: 35s`, or `from: 20`",
        ),
        ({"step": "6s"}, "6 s, of which 5 s are not judged"),
        ({"step": "4s", "settle": "1s"}, "toril.capacity.shop.step is 4 s; make it 5 s at least"),
        ({"precision": "0.1%"}, "not from 1% to 50%"),
        ({"stepp": "6s"}, "toril.capacity.shop.stepp is unknown; did you mean `step`?"),
    ],
)
def test_what_could_find_nothing_is_refused_with_the_fix(tmp_path, search, says):
    assert says in refusal(tmp_path, suite(search))


def test_a_key_that_is_missing_is_named(tmp_path):
    document = suite()
    del document["toril"]["capacity"]["shop"]["to"]
    assert "toril.capacity.shop.to is missing; add `to` beside" in refusal(tmp_path, document)


def test_executors_with_virtual_users_are_refused(tmp_path):
    told = refusal(tmp_path, suite(executor="jmeter"))
    assert "jmeter, which has virtual users who wait for answers, and no rate; use executor: vegeta" in told


def test_a_run_that_may_not_last_as_long_as_its_search_is_told_so_and_not_that_it_will_be_cut_off(tmp_path):
    document = suite()
    document["toril"]["max-duration"] = "5m"
    plan = planned(tmp_path, document)
    says = f"toril.max-duration (300 s) ends a search that takes longer; {plan.duration_s:g} s is the most it may take"
    assert any(note.endswith(says) for note in plan.warnings)


@pytest.mark.parametrize("key", ["throughput", "hold-for", "ramp-up"])
def test_what_the_search_sets_cannot_be_set_beside_it(tmp_path, key):
    document = suite(**{"throughput": 50, "hold-for": "1m", key: 60})
    assert "which the search sets; leave `" in refusal(tmp_path, document)


@pytest.mark.parametrize(
    ("until", "doubt"),
    [("p95>300", "a number alone is seconds; write `300ms`"), ("p95<300ms", "this fails a run for little of it")],
)
def test_what_is_probably_a_slip_in_until_is_doubted_as_any_criterion_is(tmp_path, until, doubt):
    notes = read(tmp_path, suite({"until": [until]})).warnings
    assert any(f"toril.capacity.shop.until[0]: `{until}" in note and doubt in note for note in notes)


def test_an_execution_that_is_not_there_is_named_with_the_nearest(tmp_path):
    assert "toril.capacity.shpo is a search in no execution; did you mean `shop`?" in refusal(
        tmp_path, suite(name="shpo", **{"throughput": 5, "hold-for": "1m"})
    )


class TestCriteriaOnIt:
    """`capacity of shop<800/s` under `toril.criteria`."""

    @pytest.mark.parametrize("source", ["capacity of shop<800/s", "capacity<800/s", "capacity of shop>=1000/s"])
    def test_of_an_execution_or_of_the_only_one(self, tmp_path, source):
        assert read(tmp_path, suite(criteria=[source])).criteria[0].source == source

    @pytest.mark.parametrize(
        ("source", "says"),
        [
            ("capacity of shpo<800/s", "nothing looks for that capacity; did you mean `shop`?"),
            ("capacity of shop<800", "write a rate like `450/s`"),
            ("capacity of shop<80%", "write a rate like `450/s`"),
            ("capacity of shop<800/s for 10s", "leave the timeframe out"),
            ("capacity of shop<800/s in madrid", "an execution has one capacity"),
        ],
    )
    def test_one_that_could_not_be_judged_is_refused(self, tmp_path, source, says):
        assert says in refusal(tmp_path, suite(criteria=[source]))

    def test_without_a_search_there_is_none(self, tmp_path):
        document = suite(criteria=["capacity of shop<800/s"], **{"throughput": 5, "hold-for": "1m"})
        del document["toril"]["capacity"]
        assert "add `toril: {capacity: {" in refusal(tmp_path, document)

    def test_one_that_rules_out_what_the_search_is_after_is_doubted(self, tmp_path):
        (warning,) = read(tmp_path, suite(passfail=["p95>200ms", "p95>1s", "p50>200ms"])).warnings
        assert "(`p95>200ms`) is likely to come true" in warning
        assert "judge `capacity of shop<…/s` under toril.criteria instead" in warning

    def test_one_that_fails_a_run_for_much_of_it_is_doubted(self, tmp_path):
        plan = planned(tmp_path, suite(criteria=["capacity of shop>800/s"]))
        assert "this fails a run for much of it" in plan.warnings[0]


def test_a_smoke_run_looks_for_nothing(tmp_path):
    found = read(tmp_path, suite(criteria=["capacity of shop<800/s"]))
    plan = make_plan(found, run_id="r", workers=None, smoke=True)
    assert (plan.searched, plan.criteria) == ((), ())
    assert plan.duration_s < 10


def test_a_duet_compares_at_one_rate_and_refuses_a_search(tmp_path):
    document = suite(**{})
    document["scenarios"]["shop"]["default-address"] = "${SHOP_URL}"
    document["scenarios"]["shop"]["requests"] = ["/"]
    path = write(tmp_path, document)
    with pytest.raises(SuiteError, match=r"toril\.capacity\.shop looks for a rate, and a duet compares at one"):
        plan_duet([path], RunOptions(), 0.0, base="http://127.0.0.1:1", head="http://127.0.0.1:2")
