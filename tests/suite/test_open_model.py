"""An open model's load: division by rate instead of virtual users, in every shape and without a lost arrival."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.suite.reading import read, refuses
from toril.load.curve import Curve
from toril.load.shapes import curve_of
from toril.plan import make_plan
from toril.plan.duet import make_duet
from toril.records import Plan
from toril.suite.settings import Regression

REQUESTS = ["http://shop/", "http://shop/cart", {"url": "http://shop/pay", "label": "pay"}]


def suite(**more):
    execution = {"executor": "vegeta", "throughput": 100, "hold-for": "1m", "scenario": {"requests": REQUESTS}}
    return {"execution": [{**execution, **more}]}


def planned(folder, written, *, workers=None, **options):
    return make_plan(read(folder, written), run_id="run", workers=workers, **options)


def test_a_locations_workers_get_equal_parts_of_its_rate(tmp_path):
    written = suite(throughput=10, locations={"madrid": 2, "sevilla": 1})
    plan = planned(tmp_path, written, workers=5)
    rates = {share.worker: share.executions[0].throughput_rps for share in plan.shares}
    assert rates == {
        "madrid-1": pytest.approx(20 / 9),
        "madrid-2": pytest.approx(20 / 9),
        "madrid-3": pytest.approx(20 / 9),
        "sevilla-1": pytest.approx(5 / 3),
        "sevilla-2": pytest.approx(5 / 3),
    }
    assert {share.executions[0].concurrency for share in plan.shares} == {None}
    assert {share.executions[0].phase for share in plan.shares} == {0.0}


def test_the_parts_sum_to_the_rate_exactly(tmp_path):
    plan = planned(tmp_path, suite(throughput=7, locations={"a": 3, "b": 4}), workers=6)
    stripes = [share.executions[0].interleave for share in plan.shares]
    assert sum((stripe.part for stripe in stripes), Fraction(0)) == 1
    assert sorted(stripe.place_of(own) for stripe in stripes for own in range(50))[:200] == list(range(200))


def test_any_number_of_workers_shares_a_rate_below_one_per_second(tmp_path):
    plan = planned(tmp_path, suite(throughput=0.5), workers=40)
    assert len(plan.shares) == 40
    assert sum(share.executions[0].throughput_rps for share in plan.shares) == pytest.approx(0.5)


def test_exact_worker_counts_get_equal_parts(tmp_path):
    written = suite(locations={"a": 1, "b": 3}, **{"locations-weighted": False})
    plan = planned(tmp_path, written)
    assert [share.executions[0].throughput_rps for share in plan.shares] == [25.0] * 4


def test_the_rate_sets_the_number_of_workers(tmp_path):
    written = {**suite(throughput=100_000), "toril": {"worker": {"cpu": 2048}}}
    assert len(planned(tmp_path, written).shares) == 5


def test_an_open_model_loads_every_worker_that_has_no_virtual_user(tmp_path):
    written = suite()
    users = {"executor": "locust", "concurrency": 1, "hold-for": "1m", "scenario": {"requests": ["http://shop/"]}}
    written["execution"].append(users)
    plan = planned(tmp_path, written, workers=3)
    assert [len(share.executions) for share in plan.shares] == [2, 1, 1]


@pytest.mark.parametrize(
    ("load", "points"),
    [
        ({"hold-for": "10s"}, ((0, 100), (10, 100))),
        ({"ramp-up": "4s", "hold-for": "6s"}, ((0, 0), (4, 100), (10, 100))),
        ({"ramp-up": "4s", "hold-for": 0}, ((0, 0), (4, 100))),
        ({"ramp-up": "4s", "hold-for": "6s", "steps": 2}, ((0, 50), (2, 50), (2, 100), (10, 100))),
        ({"throughput": {"ramp": {"from": 5, "to": 9}, "for": "10s"}, "hold-for": None}, ((0, 5), (10, 9))),
    ],
)
def test_load_keys_become_a_rate_over_time(tmp_path, load, points):
    (execution,) = planned(tmp_path, suite(**load)).executions
    assert execution.curve == points
    assert execution.rate == Curve(points)


@given(st.integers(1, 1000), st.integers(0, 50), st.integers(0, 50), st.integers(1, 9))
def test_the_number_of_requests_is_the_area_below_ramp_and_hold(rps, ramp_up_s, hold_for_s, steps):
    if ramp_up_s + hold_for_s:
        rising = rps * ramp_up_s / 2
        assert curve_of(rps, ramp_up_s, hold_for_s).total == pytest.approx(rising + rps * hold_for_s)
        stairs = curve_of(rps, ramp_up_s, hold_for_s, steps)
        assert stairs.total == pytest.approx(rising * (steps + 1) / steps + rps * hold_for_s)


def test_a_smoke_run_sends_each_request_at_least_once(tmp_path):
    many = [f"http://shop/{number}" for number in range(12)]
    (execution,) = planned(tmp_path, suite(scenario={"requests": many}), smoke=True).executions
    assert execution.rate is not None
    assert execution.rate.total == 15
    assert execution.concurrency is None


def test_a_turn_of_a_duet_shortens_the_curve_at_the_same_rates(tmp_path):
    written = suite(**{"ramp-up": "20s", "hold-for": "100s"})
    written["execution"].append({**written["execution"][0], "executor": "apiritif", "throughput": None})
    plan = planned(tmp_path, written)  # Apiritif starts for each turn, and so does vegeta beside it
    duet = make_duet(plan, plan, ("http://a", "http://b"), Regression(block=10))
    curves = {execution.curve for execution in duet.executions if execution.executor == "vegeta"}
    assert curves == {((0, 0), (2, 100), (12, 100))}


def test_a_plan_keeps_its_interleaving_and_curves(tmp_path):
    plan = planned(tmp_path, suite(locations={"a": 1, "b": 3}), workers=3)
    again = Plan.from_json(plan.to_json(), "plan.json")
    assert again == plan
    (own,) = again.shares[2].executions
    assert own.interleave is not None
    assert [own.interleave.place_of(number) for number in range(3)] == [1, 4, 7]


def test_the_engine_receives_its_settings(tmp_path):
    written = {**suite(), "toril": {"engine": {"http2": True, "dns-ttl": "1m", "max-workers": 7}}}
    settings = planned(tmp_path, written).common["modules"]["vegeta"]
    assert settings == {
        "http2": True,
        "dns-ttl": 60.0,
        "max-workers": 7,
        "redirects": 10,
        "insecure": False,
        **dict.fromkeys(("ca", "cert", "key")),
        "poisson": False,
        "fresh-cookies": False,
        "split-data": [],
    }


@pytest.mark.parametrize(
    ("more", "code", "path"),
    [
        ({"requests": []}, "missing-requests", ""),
        ({"requests": [{"label": "x"}]}, "missing-url", ".requests[0].url"),
        ({"requests": [7]}, "not-a-request", ".requests[0]"),
        ({"requests": [{"transaction": "t", "do": []}]}, "unsupported-key", ".requests[0].transaction"),
        ({"variables": {"a": 1}}, "unsupported-key", ".variables"),
        ({"headers": ["x"]}, "bad-header", ".headers"),
        ({"keepalive": "maybe"}, "not-a-boolean", ".keepalive"),
        ({"timeout": "soon"}, "not-a-duration", ".timeout"),
        ({"timeout": "uniform(1s,2s)"}, "not-a-duration", ".timeout"),
        ({"requests": [{"url": "http://shop/", "body": "a", "body-file": "b"}]}, "conflicting-keys", ".body-file"),
        ({"requests": [{"url": "http://shop/", "timeout": "1s"}]}, "unsupported-key", ".requests[0].timeout"),
        ({"requests": [{"url": "http://shop/", "assert": ["x"]}]}, "unsupported-key", ".requests[0].assert"),
    ],
)
def test_unsupported_keys_are_rejected(tmp_path, more, code, path):
    (tmp_path / "b").touch()
    written = suite(scenario={"requests": REQUESTS, **more})
    refuses(tmp_path, written, code, "execution[0].scenario", path)


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (
            {"url": "http://shop/", "method": "GE T"},
            ("unknown-value", "execution[0].scenario.requests[0].method", "GE T"),
        ),
        (
            {"url": "http://shop/", "method": ["GET"]},
            ("unknown-value", "execution[0].scenario.requests[0].method", "['GET']"),
        ),
        (
            {"url": "http://shop/", "label": {"a": 1}},
            ("not-a-text", "execution[0].scenario.requests[0].label", "{'a': 1}"),
        ),
        ({"url": ["a"]}, ("not-an-address", "execution[0].scenario.requests[0].url", "['a']")),
        ("", ("missing-url", "execution[0].scenario.requests[0].url")),
        ("ftp://shop/", ("not-an-address", "execution[0].scenario.requests[0].url", "ftp://shop/")),
        ("/cart", ("not-an-address", "execution[0].scenario.requests[0].url", "/cart")),
        (
            {"url": "http://shop/", "headers": {"a b": "c"}},
            ("bad-header", "execution[0].scenario.requests[0].headers", "a b"),
        ),
        (
            {"url": "http://shop/", "headers": {"a": "x\r\ny: 1"}},
            ("bad-header", "execution[0].scenario.requests[0].headers"),
        ),
    ],
)
def test_an_invalid_request_is_rejected(tmp_path, request_, refusal):
    refuses(tmp_path, suite(scenario={"requests": [request_]}), *refusal)


@pytest.mark.parametrize(
    ("key", "value", "refusal"),
    [
        ("delimiter", ";;", ("unknown-value", "execution[0].scenario.data-sources[0].delimiter", ";;")),
        ("encoding", "klingon", ("unknown-value", "execution[0].scenario.data-sources[0].encoding", "klingon")),
        ("variable-names", {"a": "b"}, ("not-a-list", "execution[0].scenario.data-sources[0].variable-names")),
    ],
)
def test_an_invalid_data_source_is_rejected(tmp_path, key, value, refusal):
    (tmp_path / "users.csv").write_text("user\nann\n")
    scenario = {"requests": ["http://shop/"], "data-sources": [{"path": "users.csv", key: value}]}
    refuses(tmp_path, suite(scenario=scenario), *refusal)


def test_values_with_references_are_left_to_the_worker(tmp_path):
    (tmp_path / "users.csv").write_text("user\nann\n")
    source = {"path": "users.csv", "delimiter": "tab", "encoding": "utf-16", "variable-names": "a,b"}
    request = {"url": "${HOME_PAGE}/x?to=ftp://a", "method": "${METHOD}", "headers": {"X-${a}": "${b}"}}
    scenario = {"requests": [request, "HTTPS://shop/"], "data-sources": [source]}
    assert read(tmp_path, suite(scenario=scenario)).executions[0].executor == "vegeta"


def test_a_file_without_a_header_cannot_be_split(tmp_path):
    (tmp_path / "users.csv").write_text("ann\nbob\n")
    source = {"path": "users.csv", "variable-names": "user"}
    written = suite(scenario={"requests": ["http://shop/"], "data-sources": [source]})
    split = {**written, "toril": {"split-data": ["users.csv"]}}
    refuses(tmp_path, split, "conflicting-keys", "data-sources[0].variable-names")
    assert read(tmp_path, written).data_rows == {}


@pytest.mark.parametrize("value", [True, False])
def test_an_unknown_key_is_rejected_with_any_value(tmp_path, value):
    scenario = {"requests": REQUESTS, "verify-ssl": value}
    refuses(tmp_path, suite(scenario=scenario), "unknown-key", ".verify-ssl", "insecure: true")
    scenario = {"requests": REQUESTS, "max-worker": 5}
    refuses(tmp_path, suite(scenario=scenario), "unknown-key", ".max-worker", "max-workers", "toril.engine")
    assert not read(tmp_path, suite(scenario={"requests": REQUESTS, "store-cookie": False})).warnings


def test_misplaced_settings_of_the_engine_are_rejected_or_noted(tmp_path):
    for key, setting in (("verify-ssl", "insecure: true"), ("max-workers", "toril.engine")):
        document = {**suite(), "modules": {"vegeta": {key: 5}}}
        refuses(tmp_path, document, "unsupported-key", f"modules.vegeta.{key}", setting)
    (warning,) = read(tmp_path, suite(**{"max-workers": 5})).warnings
    assert warning.code == "ignored-key"
    assert "execution[0].max-workers" in warning.message
