"""The division of the load: exact, without idle workers and without workers in lockstep."""

import json
import math
from collections import Counter
from fractions import Fraction

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.suite.reading import execution, read
from tests.tiers import examples
from toril.coordinator.driver import lasts_s
from toril.errors import OptionError, SuiteError
from toril.plan import make_plan, share_config, split
from toril.plan.division import divided_throughput
from toril.records import Plan
from toril.suite import read_suite

QUIET = examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def suite_of(folder, *executions, **keys):
    items = [
        {"scenario": {"requests": [{"url": "/", "label": "home"}]}, "hold-for": "1m", **item} for item in executions
    ]
    path = folder / "suite.json"
    path.write_text(json.dumps({"execution": items, **keys}))
    return read_suite([path], system={})


def plan_of(folder, *executions, workers=None, smoke=False, **keys):
    return make_plan(suite_of(folder, *executions, **keys), run_id="r", workers=workers, smoke=smoke)


@given(
    total=st.integers(0, 10**7), weights=st.lists(st.integers(0, 1000) | st.fractions(0, 10), min_size=1, max_size=60)
)
def test_split_loses_nothing_and_is_within_one_of_the_exact_share(total, weights):
    if not any(weights):
        with pytest.raises(ValueError, match="cannot be divided"):
            split(total, weights)
        return
    parts = split(total, weights)
    whole = sum(map(Fraction, weights))
    assert sum(parts) == total
    assert all(abs(part - Fraction(weight) * total / whole) < 1 for part, weight in zip(parts, weights, strict=True))
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


def test_split_gives_the_remainder_to_the_first():
    assert split(100, [1, 1, 1]) == [34, 33, 33]
    assert split(3, [2, 1]) == [2, 1]
    assert split(0, [5, 1]) == [0, 0]


LOCATIONS = st.dictionaries(
    st.sampled_from(["eu-west-1", "us-east-1", "ap-south-1", "home"]), st.integers(1, 9), max_size=4
)
EXECUTIONS = st.fixed_dictionaries(
    {"concurrency": st.integers(1, 300), "locations": LOCATIONS},
    optional={
        "throughput": st.integers(1, 500) | st.sampled_from([0.5, 2.5, 0.001]),
        "iterations": st.integers(1, 9),
        "steps": st.integers(1, 5),
    },
)


@QUIET
@given(executions=st.lists(EXECUTIONS, min_size=1, max_size=4), workers=st.none() | st.integers(1, 40))
def test_the_shares_sum_to_the_load(tmp_path, executions, workers):
    executions = [{key: value for key, value in one.items() if value != {}} for one in executions]
    try:
        plan = plan_of(tmp_path, *executions, workers=workers)
    except SuiteError as error:
        assert error.code
        return
    assert workers is None or len(plan.shares) == workers
    assert all(share.executions for share in plan.shares)
    assert [share.index for share in plan.shares] == list(range(len(plan.shares)))
    for planned, written in zip(plan.executions, executions, strict=True):
        parts = [(share, part) for share in plan.shares for part in share.executions if part.execution == planned.name]
        assert sum(part.concurrency or 0 for _, part in parts) == written["concurrency"] == planned.concurrency
        assert all(part.concurrency == part.config["concurrency"] for _, part in parts)
        assert all((part.concurrency or 0) > 0 for _, part in parts)
        assert all(part.config.get("iterations") == written.get("iterations") for _, part in parts)
        assert all(part.config.get("steps") == written.get("steps") for _, part in parts)
        if "throughput" in written:
            rates = [part.throughput_rps for _, part in parts]
            assert math.fsum(rates) == pytest.approx(written["throughput"], rel=1e-12)
            assert all(rate > 0 for rate in rates)
            assert all(part.config["throughput"] == part.throughput_rps for _, part in parts)
        phases = sorted(part.phase for _, part in parts)
        assert phases == pytest.approx([index / len(parts) for index in range(len(parts))])
        if "locations" in written:
            located: Counter[str] = Counter()
            for share, part in parts:
                located[share.location] += part.concurrency or 0
            names = list(written["locations"])
            expected = dict(zip(names, split(written["concurrency"], list(written["locations"].values())), strict=True))
            assert located == {name: count for name, count in expected.items() if count}


@QUIET
@given(executions=st.lists(EXECUTIONS, min_size=1, max_size=3), workers=st.none() | st.integers(1, 9))
def test_a_plan_is_a_value(tmp_path, executions, workers):
    executions = [{key: value for key, value in one.items() if value != {}} for one in executions]
    try:
        plan = plan_of(tmp_path, *executions, workers=workers)
    except SuiteError:
        return
    assert plan == plan_of(tmp_path, *executions, workers=workers)
    assert Plan.from_json(plan.to_json(), "plan.json") == plan


def test_throughput_is_a_whole_number_unless_a_worker_would_get_none():
    def rates(total, users):
        return list(
            divided_throughput(
                Fraction(total), {"a": Fraction(1)}, dict(enumerate(users)), dict.fromkeys(range(9), "a")
            ).values()
        )

    assert rates(10, [2, 1, 1]) == [5, 3, 2]
    assert rates(2, [1, 1, 1]) == [Fraction(7, 10), Fraction(7, 10), Fraction(6, 10)]
    assert rates("2.5", [1, 1]) == [Fraction(13, 10), Fraction(12, 10)]
    assert sum(rates(1, [1] * 9)) == 1
    assert sum(rates(Fraction(10, 3), [1, 1, 1])) == Fraction(10, 3)


def test_odd_virtual_users_of_several_executions_spread_over_the_workers(tmp_path):
    plan = plan_of(tmp_path, *[{"concurrency": 1}] * 6, workers=3)
    assert [len(share.executions) for share in plan.shares] == [2, 2, 2]


def test_workers_of_a_location_are_evenly_spread_in_phase(tmp_path):
    plan = plan_of(tmp_path, {"concurrency": 8, "locations": {"a": 1, "b": 1}}, workers=4)
    phases = {share.worker: share.executions[0].phase for share in plan.shares}
    assert phases == {"a-1": 0.0, "a-2": 0.5, "b-1": 0.25, "b-2": 0.75}


@pytest.mark.parametrize("weighted", [False, "false"])
def test_exact_worker_counts_set_the_workers_of_each_location(tmp_path, weighted):
    exact = {"concurrency": 9, "locations": {"a": 1, "b": 2}, "locations-weighted": weighted}
    plan = plan_of(tmp_path, exact)
    assert [(share.worker, share.executions[0].concurrency) for share in plan.shares] == [
        ("a-1", 3),
        ("b-1", 3),
        ("b-2", 3),
    ]
    with refused("conflicting-workers", "3", "5"):
        plan_of(tmp_path, exact, workers=5)


def test_an_execution_without_locations_uses_all_locations(tmp_path):
    plan = plan_of(tmp_path, {"concurrency": 4, "locations": {"a": 3, "b": 1}}, {"concurrency": 4}, workers=2)
    assert [[part.concurrency for part in share.executions] for share in plan.shares] == [[3, 3], [1, 1]]
    assert plan.locations == ("a", "b")


def test_exact_counts_without_locations_have_no_effect(tmp_path):
    plan = plan_of(
        tmp_path, {"concurrency": 4, "locations": {"a": 1, "b": 1}}, {"locations-weighted": False}, workers=2
    )
    assert [[part.concurrency for part in share.executions] for share in plan.shares] == [[2, 1], [2]]


def test_without_locations_the_location_is_local(tmp_path):
    plan = plan_of(tmp_path, {"concurrency": 4}, workers=2)
    assert [share.worker for share in plan.shares] == ["local-1", "local-2"]


@pytest.mark.parametrize(
    ("execution", "workers"),
    [
        ({"concurrency": 4000}, 4),  # JMeter: 1,000 virtual users
        ({"concurrency": 10, "throughput": 30_000}, 5),  # JMeter: 3,000 requests per second and core, 2 cores
        ({"concurrency": 1500, "executor": "locust"}, 2),
        ({"concurrency": 250, "executor": "apiritif"}, 3),
        ({"concurrency": 2, "throughput": 90_000}, 2),  # never more workers than virtual users
        ({"concurrency": 10, "locations": {"a": 1, "b": 1, "c": 1}}, 3),
        ({"concurrency": 4000, "locations": {"a": 3, "b": 1}}, 4),
    ],
)
def test_the_load_sets_the_number_of_workers(tmp_path, execution, workers):
    assert len(plan_of(tmp_path, execution).shares) == workers


def test_an_executor_of_the_suite_itself_has_no_known_rate_and_gets_one_worker(tmp_path):
    own = {"own": {"class": "own.Own"}}
    assert len(plan_of(tmp_path, {"concurrency": 5000, "executor": "own"}, modules=own).shares) == 1


def test_the_option_overrides_the_suite(tmp_path):
    suite = suite_of(tmp_path, {"concurrency": 9}, toril={"workers": 3})
    assert len(make_plan(suite, run_id="r", workers=None).shares) == 3
    assert len(make_plan(suite, run_id="r", workers=2).shares) == 2


@pytest.mark.parametrize(
    ("execution", "workers", "code", "named"),
    [
        ({"concurrency": 3}, 5, "idle-worker", ["execution[0].concurrency", "3", "5"]),
        ({}, 2, "idle-worker", ["execution[0].concurrency", "1", "2"]),
        ({"concurrency": 3, "locations": {"a": 99, "b": 1}}, None, "idle-worker", ["location b"]),
        ({"concurrency": 9, "locations": {"a": 1, "b": 1, "c": 1}}, 2, "too-few-workers", ["2", "3", "a, b, c"]),
        ({"concurrency": 10_000_000}, None, "too-many-workers", ["10,000", "1,000"]),
    ],
)
def test_a_worker_without_work_is_an_error(tmp_path, execution, workers, code, named):
    with refused(code, *named):
        plan_of(tmp_path, execution, workers=workers)


@pytest.mark.parametrize("workers", [0, -1, 1001])
def test_numbers_of_workers_out_of_range_are_rejected(tmp_path, workers):
    with refused("out-of-range", f"--workers {workers}", error=OptionError):
        plan_of(tmp_path, {}, workers=workers)


def test_a_try_has_one_virtual_user_and_one_iteration_in_turn(tmp_path):
    first = {"concurrency": 500, "ramp-up": "1m", "throughput": 70, "delay": "1m", "locations": {"a": 1, "b": 5}}
    targets = [{"url": "http://shop/", "label": label} for label in ("home", "cart", "cart")]
    plan = make_plan(
        suite_of(
            tmp_path,
            first,
            {"executor": "vegeta", "throughput": 5000, "scenario": {"requests": targets}},
            toril={"workers": 40, "max-duration": "2h", "evidence": {"off": True}},
            reporting=[{"module": "passfail", "criteria": ["p95>1s in b"]}],
        ),
        run_id="r",
        workers=None,
        tried=True,
    )
    (share,) = plan.shares
    closed, arrivals = plan.executions
    assert (share.worker, closed.concurrency, closed.iterations, closed.hold_for_s) == ("a-1", 1, 1, 0.0)
    assert not {"ramp-up", "throughput", "delay", "hold-for"} & set(share.executions[0].config)
    rate = arrivals.planned_rate()
    assert rate is not None
    assert rate.total == len(targets)
    assert (plan.in_turns, plan.criteria, plan.max_duration_s) == (True, (), 600)
    assert plan.keeping is not None
    assert (plan.keeping.everything, plan.keeping.slowest) == (True, ())


def test_a_smoke_run_has_one_virtual_user_for_a_few_seconds_without_criteria(tmp_path):
    plan = plan_of(
        tmp_path,
        {
            "concurrency": 500,
            "ramp-up": "1m",
            "throughput": 70,
            "steps": 3,
            "delay": "1m",
            "locations": {"a": 1, "b": 5},
        },
        {"concurrency": 500, "locations": {"c": 1}},
        smoke=True,
        toril={"workers": 40},
        reporting=[{"module": "passfail", "criteria": ["p95>1s in b"]}],
    )
    (share,) = plan.shares
    assert share.worker == "a-1"
    assert [part.concurrency for part in share.executions] == [1, 1]
    assert not {"ramp-up", "throughput", "steps", "delay"} & set(share.executions[0].config)
    assert share.executions[0].config["hold-for"] == "5s"
    assert (plan.duration_s, plan.criteria) == (5, ())


def test_a_workers_configuration_is_complete_and_judges_nothing(tmp_path):
    suite = suite_of(
        tmp_path,
        {"concurrency": 4, "criteria": ["fail>0"]},
        {"concurrency": 1},
        reporting=[{"module": "passfail", "criteria": ["p95>1s"]}],
        modules={"jmeter": {"a": 1}},
    )
    plan = make_plan(suite, run_id="r", workers=2)
    config = share_config(plan, plan.shares[1])
    assert set(config) == {"scenarios", "modules", "execution"}
    assert [item["concurrency"] for item in config["execution"]] == [2]
    assert "passfail" not in json.dumps(config)
    assert "criteria" not in json.dumps(config)
    config["scenarios"].clear()
    assert plan.common["scenarios"]


def test_a_script_with_its_own_load_runs_unchanged(tmp_path):
    (tmp_path / "load.jmx").write_text("<x/>")
    plan = plan_of(tmp_path, {"scenario": "load.jmx", "hold-for": None}, workers=1)
    (part,) = plan.shares[0].executions
    assert (part.concurrency, "concurrency" in part.config) == (None, False)
    assert plan.executions[0].concurrency is None


def test_data_is_split_between_its_readers(tmp_path):
    (tmp_path / "users.csv").write_text('name\na\n"b\nb"\n')
    reading = {"scenario": {"requests": ["/"], "data-sources": ["users.csv"]}, "concurrency": 2}
    plan = plan_of(tmp_path, reading, {"concurrency": 1}, workers=3, toril={"split-data": ["users.csv"]})
    assert [share.data_files for share in plan.shares] == [{"users.csv": (0, 2)}, {"users.csv": (1, 2)}, {}]


def test_too_few_rows_of_data_are_an_error(tmp_path):
    (tmp_path / "users.csv").write_text('name\na\n"b\nb"\n')
    with refused("too-few-rows", "users.csv", "2", "3"):
        plan_of(tmp_path, {"concurrency": 3}, workers=3, toril={"split-data": ["users.csv"]})


ONCE = {
    "scenario": {"requests": ["http://shop/"], "data-sources": ["users.csv"]},
    "executor": "jmeter",
    "concurrency": 2,
}


def test_rows_that_are_used_once_are_divided_and_never_begin_again(tmp_path):
    (tmp_path / "users.csv").write_text("name\n" + "a\n" * 1500)
    plan = plan_of(tmp_path, ONCE, workers=2, toril={"consume-once": ["users.csv"]})
    assert [share.data_files for share in plan.shares] == [{"users.csv": (0, 2)}, {"users.csv": (1, 2)}]
    assert plan.consume_once == {"users.csv": 1500}
    (scenario,) = plan.common["scenarios"].values()
    assert scenario["data-sources"][0]["loop"] is False
    assert plan.warning_codes == ()


@pytest.mark.parametrize(
    ("load", "code"),
    [({"iterations": 2, "hold-for": 0}, "few-rows"), ({"concurrency": 4}, "few-rows"), ({}, None)],
)
def test_a_load_that_needs_more_rows_than_there_are_is_noted(tmp_path, load, code):
    (tmp_path / "users.csv").write_text("name\na\nb\nc\n")
    plan = plan_of(tmp_path, {**ONCE, **load}, toril={"consume-once": ["users.csv"]})
    assert plan.warning_codes == ((code,) if code else ())


@pytest.mark.parametrize(
    ("executions", "code"),
    [
        ([ONCE, ONCE], "unsupported-key"),
        ([{**ONCE, "executor": "vegeta", "concurrency": None, "throughput": 5}], "unsupported-key"),
        ([{**ONCE, "scenario": {"requests": ["/"], "data-sources": [{"path": "users.csv", "loop": True}]}}],
         "conflicting-keys"),
    ],
)  # fmt: skip
def test_what_would_use_a_row_again_is_refused(tmp_path, executions, code):
    (tmp_path / "users.csv").write_text("name\na\nb\nc\n")
    with refused(code, error=SuiteError):
        plan_of(tmp_path, *executions, toril={"consume-once": ["users.csv"]})


def test_a_script_must_use_its_rows_once_itself(tmp_path):
    (tmp_path / "users.csv").write_text("name\na\nb\nc\n")
    plan = plan_of(tmp_path, {}, toril={"consume-once": ["users.csv"]})
    assert plan.warning_codes == ("unchecked-rows",)


def test_setup_lengthens_the_time_until_workers_are_ready_and_the_run(tmp_path):
    (tmp_path / "once.py").write_text("")
    block = {"script": "once.py", "time-limit": "1m"}
    bare, both = plan_of(tmp_path, {}), plan_of(tmp_path, {}, toril={"setup": block, "teardown": "once.py"})
    assert both.pace.ready_timeout_s == bare.pace.ready_timeout_s + 60
    assert (both.setup and both.setup.limit_s, both.teardown and both.teardown.limit_s) == (60, 300)
    assert lasts_s(both) - lasts_s(bare) >= 60 + 300 + both.pace.ready_timeout_s


def test_a_scenario_as_setup_is_refused(tmp_path):
    with refused("unsupported-key", "toril.setup"):
        plan_of(tmp_path, {}, toril={"setup": {"scenario": "log-in"}})


def test_a_criterion_on_an_unknown_location_is_an_error(tmp_path):
    criteria = [{"module": "passfail", "criteria": ["p95>1s in eu-west-2"]}]
    with refused("unknown-location", "reporting[0].criteria[0]", "p95>1s in eu-west-2"):
        plan_of(tmp_path, {"locations": {"a": 1}}, reporting=criteria)


def test_criteria_on_metrics_and_tags_need_no_label_but_a_recorded_tag(tmp_path):
    criteria = [
        "p95 of home{tenant=big}>1s", "fail of {plan=free}>1%", "check-rate of login<99%", "metric-p99 of items>3"
    ]  # fmt: skip
    plan = plan_of(tmp_path, {"executor": "locust"}, toril={"request-tags": ["tenant"], "criteria": criteria})

    assert plan.warning_codes == ("unknown-tag",)
    assert "plan" in plan.warnings[0]


def test_criteria_that_can_never_be_true_are_noted(tmp_path):
    criteria = ["p95 of hoem>1s", "p95 of home>1s", "p95>1s for 2m", "p95>1s within 2m"]
    plan = plan_of(
        tmp_path, {}, reporting=[{"module": "passfail", "criteria": criteria}], toril={"max-duration": "30s"}
    )
    assert plan.warning_codes == ("short-max-duration", "unknown-label", "never-a-full-window")
    for warning, name in zip(plan.warnings, ("30 s", "`hoem`", "`p95>1s for 120s`"), strict=True):
        assert name in warning


@pytest.mark.parametrize(
    ("second", "of_all", "warned"),
    [
        ({"hold-for": "1m"}, {}, True),
        ({"hold-for": "1m", "delay": "1m"}, {}, False),  # consecutive executions
        ({"hold-for": "1m", "ramp-up": "1m"}, {}, False),
        ({"hold-for": "1m", "ramp-up": "1m", "delay": "1m"}, {"ramp-up-exclude": True}, False),
        (
            {"hold-for": "1m", "ramp-up": "10m"},
            {"ramp-up-exclude": True},
            False,
        ),  # the first one ends much earlier
        ({"hold-for": "1m", "iterations": 5, "ramp-up": "1s"}, {"ramp-up-exclude": True}, True),
        ({"iterations": 5}, {}, False),
    ],
)
def test_a_timeframe_must_fit_into_the_whole_judged_time(tmp_path, second, of_all, warned):
    first = {"scenario": {"requests": ["/"]}, "hold-for": "1m"}
    document = {
        "execution": [first, {"scenario": {"requests": ["/b"]}, **second}],
        "settings": of_all,
        "reporting": [{"module": "passfail", "criteria": ["p95>1s for 90s"]}],
    }
    plan = make_plan(read(tmp_path, document), run_id="run", workers=1)
    assert ("never-a-full-window" in plan.warning_codes) is warned


def test_a_plan_keeps_settings_of_the_suite_and_options(tmp_path):
    ours = {"quorum": "50%", "graceful-stop": "5s", "tags": {"team": "shop", "commit": "old"}}
    suite = suite_of(tmp_path, {}, toril=ours, settings={"ramp-up-exclude": True})
    plan = make_plan(suite, run_id="run", workers=1, tags={"commit": "abc"})
    assert (plan.run_id, plan.suite, plan.quorum) == ("run", tmp_path.name, 0.5)
    assert plan.tags == {"team": "shop", "commit": "abc"}
    assert (plan.graceful_stop_s, plan.ramp_up_exclude, plan.max_duration_s) == (5, True, None)


@pytest.mark.parametrize(("timeframe", "warned"), [("3m", False), ("4m", True)])
def test_cloudwatchs_periods_extend_the_judged_time(tmp_path, timeframe, warned):
    cpu = {"subject": "ecs-cpu", "cluster": "c", "condition": ">", "threshold": "80%", "timeframe": timeframe}
    document = {"execution": {"scenario": {"requests": ["/"]}, "hold-for": "1m"}, "toril": {"criteria": [cpu]}}
    plan = make_plan(read(tmp_path, document), run_id="run", workers=1)
    assert ("never-a-full-window" in plan.warning_codes) is warned


VEGETA = {
    "executor": "vegeta",
    "throughput": 4,
    "scenario": {"requests": [{"url": "http://a/x", "label": "x"}, "http://a/y"]},
}
THINKING = {"concurrency": 4, "scenario": {"think-time": "1s", "requests": ["http://a/x"]}}


@pytest.mark.parametrize(
    ("load", "criterion", "most"),
    [
        ({**VEGETA, "hold-for": "10s"}, "p95>1s", 40),
        ({**VEGETA, "hold-for": "20s"}, "p95>1s", None),
        ({**VEGETA, "hold-for": "20s"}, "p95 of x>1s", 40),
        ({**VEGETA, "hold-for": "10s", "ramp-up": "10s"}, "p95>1s", 60),
        ({**VEGETA, "hold-for": "20s"}, "p95>1s for 5s", None),
        ({**VEGETA, "hold-for": "10s"}, "p100>1s", None),
        ({**VEGETA, "hold-for": "10s"}, "fail>1%", None),
        ({**VEGETA, "executor": "jmeter", "hold-for": "10s"}, "p95>1s", 40),
        ({**THINKING, "hold-for": "10s"}, "p95>1s", 44),
        ({**THINKING, "hold-for": "20s"}, "p95>1s", None),
        ({**THINKING, "iterations": 5}, "p95>1s", 20),
        ({"concurrency": 4, "hold-for": "1s", "scenario": {"requests": ["http://a/x"]}}, "p99.9>1s", None),
    ],
)
def test_too_few_samples_for_a_percentile_are_noted(tmp_path, load, criterion, most):
    document = {"execution": load, "reporting": [{"module": "passfail", "criteria": [criterion]}]}
    (tmp_path / "suite.yml").write_text(yaml.safe_dump(document))
    plan = make_plan(read_suite([tmp_path], system={}), run_id="run", workers=None)
    assert plan.warning_codes == (() if most is None else ("too-few-samples",))
    for warning in plan.warnings:
        assert "needs 72 " in warning
        assert f" {most}" in warning


@pytest.mark.parametrize(
    ("load", "least_s", "other"),
    [
        ({**VEGETA, "hold-for": "10s"}, 18, ("throughput", 8)),
        ({**VEGETA, "hold-for": "10s", "ramp-up": "10s"}, 14, ("throughput", 5)),
        ({**THINKING, "hold-for": "5s"}, 17, ("concurrency", 12)),
    ],
)
def test_the_note_on_too_few_samples_names_a_sufficient_load(tmp_path, load, least_s, other):
    def noted(**more):
        document = {"execution": {**load, **more}, "reporting": [{"module": "passfail", "criteria": ["p95>1s"]}]}
        (tmp_path / "suite.yml").write_text(yaml.safe_dump(document))
        return make_plan(read_suite([tmp_path], system={}), run_id="run", workers=None).warnings

    (warning,) = noted()
    key, value = other
    assert all(figure in warning for figure in (f" {least_s} s", f" {value}"))
    assert not noted(**{"hold-for": f"{least_s}s"})
    assert not noted(**{key: value})


def test_a_scenario_that_does_not_run_may_be_unfinished(tmp_path):
    scenarios = {"home": {"requests": ["http://shop/"]}, "unfinished": {"requests": 1}}
    suite = read(tmp_path, {"execution": [{"scenario": "home"}], "scenarios": scenarios})
    assert make_plan(suite, run_id="r", workers=None).executions[0].scenario == "home"


def test_each_share_says_how_many_users_the_workers_before_it_have(tmp_path):
    document = execution(concurrency=7, locations={"a": 2, "b": 1})
    plan = make_plan(read(tmp_path, document), run_id="run", workers=4)
    shares = [one.executions[0] for one in plan.shares]
    assert sum(share.concurrency or 0 for share in shares) == 7
    assert [share.first_user for share in shares] == [
        sum(share.concurrency or 0 for share in shares[:index]) for index in range(len(shares))
    ]
