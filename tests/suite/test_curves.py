"""Load curves in a suite: the points of each shape, and the rejection of invalid ones."""

import csv

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.suite.reading import read, refuses, write
from tests.tiers import examples
from toril.errors import SuiteError
from toril.load.curve import Curve

QUICK = examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def suite(shape, **keys):
    item = {"executor": "jmeter", "concurrency": 10, **keys}
    return {"execution": [{"scenario": "shop", **item}], "scenarios": {"shop": {"requests": ["http://shop/"]}},
            "toril": {"curves": {"shop": shape}}}  # fmt: skip


def execution_of(folder, shape, **keys):
    (execution,) = read(folder, suite(shape, **keys)).executions
    return execution


def points_of(folder, shape, **keys):
    return list(execution_of(folder, shape, **keys).curve.points)


@pytest.mark.parametrize(
    ("shape", "points"),
    [
        ({"constant": 200, "for": "10m"}, [(0, 200), (600, 200)]),
        ({"constant": "30k/min", "for": 60}, [(0, 500), (60, 500)]),
        ({"constant": "1.5k/s", "for": "1m"}, [(0, 1500), (60, 1500)]),
        ({"ramp": {"to": "500/s"}, "for": "5m"}, [(0, 0), (300, 500)]),
        ({"ramp": {"from": 500, "to": 10}, "for": "5m"}, [(0, 500), (300, 10)]),
        ({"steps": {"from": 100, "to": 300, "steps": 2, "every": "1m"}}, [(0, 100), (60, 100), (60, 300), (120, 300)]),
        (
            {"spikes": {"base": 5, "peak": 50, "every": "1m", "lasts": "20s"}, "for": "1m"},
            [(0, 5), (20, 5), (20, 50), (40, 50), (40, 5), (60, 5)],
        ),
        ({"points": [{"at": "0s", "rps": 1}, {"at": "5m", "rps": 3}, {"at": "5m", "rps": 2}, {"at": "6m", "rps": 2}]},
         [(0, 1), (300, 3), (300, 2), (360, 2)]),
        ([{"ramp": {"to": 9}, "for": 3}, {"constant": 9, "for": 7}], [(0, 0), (3, 9), (10, 9)]),
    ],
)  # fmt: skip
def test_each_shape_becomes_its_points(tmp_path, shape, points):
    assert points_of(tmp_path, shape) == points


def test_a_sine_is_lowest_at_low_at(tmp_path):
    shape = {"sine": {"from": 50, "to": 500, "period": "24h", "low-at": "4h"}, "for": "24h"}
    curve = execution_of(tmp_path, shape).curve
    assert curve.rate_at(4 * 3600) == pytest.approx(50)
    assert curve.rate_at(16 * 3600) == pytest.approx(500)
    assert curve.total == pytest.approx(275 * 86_400)


def test_the_peak_of_a_curve_is_the_throughput_and_a_leading_ramp_the_ramp_up(tmp_path):
    shapes = [{"ramp": {"to": 40}, "for": "10s"}, {"constant": 20, "for": "50s"}]
    execution = execution_of(tmp_path, shapes, delay="5s")
    assert (execution.throughput_rps, execution.delay_s) == (40, 5)
    assert (execution.ramp_up_s, execution.hold_for_s, execution.iterations) == (10, 50, None)
    assert (execution.config["throughput"], execution.config["hold-for"]) == (40, 60)
    alone = execution_of(tmp_path, shapes[0])
    assert (alone.ramp_up_s, alone.hold_for_s) == (0, 10)


def test_a_shape_without_a_length_lasts_as_long_as_the_hold(tmp_path):
    assert points_of(tmp_path, {"ramp": {"to": 9}}, **{"hold-for": "3m"}) == [(0, 0), (180, 9)]
    steps = {"steps": {"from": 1, "to": 2, "steps": 2, "every": "30s"}}
    assert execution_of(tmp_path, steps, **{"hold-for": "1m"}).curve.length_s == 60


def test_the_throughput_may_be_a_curve_for_each_place(tmp_path):
    shape = {"ramp": {"to": 9}, "for": "1m"}
    document = suite(shape, throughput=shape)
    del document["toril"]
    (execution,) = read(tmp_path, document).executions
    assert execution.curve == Curve(((0, 0), (60, 9)))
    document["execution"][0]["throughput"] = {"local": shape, "cloud": 5}
    document["execution"][0]["hold-for"] = "1m"
    assert read(tmp_path, document).executions[0].curve.peak_rps == 9
    assert read(tmp_path, document, on="fargate").executions[0].curve is None


def test_rates_may_come_from_the_environment(tmp_path):
    document = suite({"constant": "${RATE}", "for": "1m"})
    assert read(tmp_path, document, env={"RATE": "7/s"}).executions[0].throughput_rps == 7
    refuses(tmp_path, document, "unset-reference", "toril.curves.shop.constant", "${RATE}")


@pytest.mark.parametrize(
    ("shape", "refusal"),
    [
        ({"sin": {}}, ("unknown-key", ".sin", "sine")),
        ({}, ("unknown-shape", "", "{}")),
        (7, ("not-a-mapping", "", "7")),
        ([], ("out-of-range", "")),
        ([{"constant": 1, "for": 5}, {"ramp": {}, "for": 5}], ("missing-key", "[1].ramp.to")),
        ({"constant": 1}, ("missing-key", ".for")),
        ({"constant": 1, "for": "soon"}, ("not-a-duration", ".for", "soon")),
        ({"constant": 1, "for": 0}, ("out-of-range", ".for", "0")),
        ({"constant": -1, "for": 5}, ("not-a-rate", ".constant", "-1")),
        ({"constant": "5/fortnight", "for": 5}, ("not-a-rate", ".constant", "5/fortnight")),
        ({"constant": True, "for": 5}, ("not-a-rate", ".constant", "True")),
        ({"constant": 1e30, "for": 5}, ("not-a-rate", ".constant", "1e+30")),
        ({"constant": "900M", "for": 5}, ("out-of-range", ".constant", "900M")),
        ({"constant": 0, "for": 5}, ("empty-curve", "")),
        ({"constant": 1, "ramp": {"to": 1}, "for": 5}, ("conflicting-keys", "")),
        ({"ramp": {"form": 1, "to": 5}, "for": 5}, ("unknown-key", ".ramp.form", "from")),
        ({"steps": {"from": 1, "to": 5, "steps": 1, "every": 5}}, ("out-of-range", ".steps.steps", "1")),
        ({"steps": {"from": 1, "to": 5, "steps": 5}}, ("missing-key", ".steps.every")),
        ({"steps": {"from": 1, "to": 5, "steps": 5, "every": 5}, "for": 9}, ("conflicting-keys", ".for")),
        ({"spikes": {"base": 1, "peak": 5, "every": 5, "lasts": 5}, "for": 9}, ("out-of-range", ".spikes.lasts", "5")),
        ({"spikes": {"base": 1, "peak": 5, "every": 0.01, "lasts": 0.005}, "for": "1d"},
         ("too-many-points", ".spikes", "34,560,000", "50,000")),
        ({"sine": {"from": 5, "to": 1, "period": 60}, "for": 60}, ("out-of-range", ".sine.from", "5")),
        ({"sine": {"from": 1, "to": 5, "period": 1}, "for": "1d"}, ("too-many-points", ".sine")),
        ({"points": [{"at": 0, "rps": 1}]}, ("out-of-range", ".points")),
        ({"points": [{"at": 5, "rps": 1}, {"at": 9, "rps": 1}]}, ("out-of-range", ".points[0].at", "5")),
        ({"points": [{"at": 0, "rps": 1}, {"at": 9, "rps": 1}, {"at": 8, "rps": 1}]},
         ("unsorted-times", ".points[2].at", "8")),
        ({"points": [{"at": 0, "rps": 1}, {"at": 0, "rps": 2}]}, ("out-of-range", ".points")),
        ({"points": [{"at": 0, "rps": 1}, {"at": 5, "rsp": 2}]}, ("unknown-key", ".points[1].rsp", "rps")),
        ({"csv": "gone.csv"}, ("no-such-file", ".csv.file", "gone.csv")),
        ({"csv": "http://shop/rates.csv"}, ("unset-reference", ".csv.file", "http://shop/rates.csv")),
        ({"csv": {"file": "rates.csv", "scale": "much"}}, ("not-a-factor", ".csv.scale", "much")),
        ({"csv": {"file": "rates.csv", "spede": 2}}, ("unknown-key", ".csv.spede", "speed")),
        ({"csv": {"file": "rates.csv", "count": "hist"}},
         ("missing-column", ".csv.file", "rates.csv", "line 1", "hist")),
        ({"csv": "rates.csv"}, ("missing-column", ".csv.file", "rates.csv", "line 1")),
    ],
)  # fmt: skip
def test_an_invalid_curve_is_rejected(tmp_path, shape, refusal):
    write(tmp_path, f"{'ts,hits' if refusal[0] == 'not-a-factor' else 'time,nothing'}\n0,1\n", "rates.csv")
    code, path, *named = refusal
    refuses(tmp_path, suite(shape), code, f"toril.curves.shop{path}", *named)


@pytest.mark.parametrize(
    ("keys", "refusal"),
    [
        ({"throughput": 5}, ("conflicting-keys", "execution[0].throughput")),
        ({"throughput": {"constant": 5}}, ("conflicting-keys", "execution[0].throughput")),
        ({"ramp-up": "5s"}, ("conflicting-keys", "execution[0].ramp-up")),
        ({"steps": 5}, ("conflicting-keys", "execution[0].steps")),
        ({"iterations": 5}, ("conflicting-keys", "execution[0].iterations")),
        ({"hold-for": "5s"}, ("conflicting-keys", "toril.curves.shop")),
        ({"executor": "locust"}, ("unsupported-curve", "toril.curves.shop")),
        ({"executor": "apiritif"}, ("unsupported-curve", "toril.curves.shop")),
        ({"executor": "selenium"}, ("unsupported-curve", "toril.curves.shop")),
    ],
)  # fmt: skip
def test_keys_that_contradict_a_curve_are_rejected(tmp_path, keys, refusal):
    refuses(tmp_path, suite({"constant": 5, "for": "1m"}, **keys), *refusal)


@pytest.mark.parametrize(
    ("executor", "script", "instead"),
    [("k6", "load.js", "ramping-arrival-rate"), ("gatling", "load.scala", "rampUsersPerSec")],
)
def test_engines_with_scripted_rates_reject_a_curve_and_name_the_alternative(tmp_path, executor, script, instead):
    write(tmp_path, "export default function () {}\n", script)
    document = suite({"constant": 5, "for": "1m"}, executor=executor)
    document["scenarios"]["shop"] = {"script": script}
    refuses(tmp_path, document, "unsupported-curve", "toril.curves.shop", instead)


def test_a_curve_beside_a_search_is_rejected(tmp_path):
    document = suite({"constant": 5, "for": "1m"}, executor="vegeta")
    del document["execution"][0]["concurrency"]
    document["toril"]["capacity"] = {"shop": {"from": 10, "to": 100, "until": ["p95>1s"]}}
    refuses(tmp_path, document, "conflicting-keys", "toril.capacity.shop")


def test_a_curve_for_an_unknown_execution_names_the_nearest_one(tmp_path):
    document = suite({"constant": 5, "for": "1m"})
    document["toril"]["curves"]["shpo"] = {"constant": 5}
    refuses(tmp_path, document, "unknown-execution", "toril.curves.shpo", "shop")


@pytest.mark.parametrize(
    ("rows", "points"),
    [
        ("time,rps\n0,5\n60,7\n", [(0, 5), (60, 5), (60, 7), (120, 7)]),
        ("time,count\n0,300\n60,420\n", [(0, 5), (60, 5), (60, 7), (120, 7)]),
        ("Timestamp;Rate\n2026-11-24T15:00:00Z;5\n2026-11-24T16:01:00+01:00;7\n", [(0, 5), (60, 5), (60, 7), (120, 7)]),
        ("time\tcount\n1764000000\t300\n1764000060\t420\n\n", [(0, 5), (60, 5), (60, 7), (120, 7)]),
        ("time,rps\n1764000000000,5\n1764000060000,7\n", [(0, 5), (60, 5), (60, 7), (120, 7)]),
        ("\ufefftime,host,rps\n5m,a,5\n6m,b,7\n", [(0, 5), (60, 5), (60, 7), (120, 7)]),
        ("time,count\n0,10\n10,40\n30,20\n", [(0, 1), (10, 1), (10, 2), (30, 2), (30, 1), (50, 1)]),
    ],
)  # fmt: skip
def test_each_row_of_a_file_holds_until_the_next_one(tmp_path, rows, points):
    write(tmp_path, rows, "rates.csv")
    assert points_of(tmp_path, {"csv": "rates.csv"}) == points


@QUICK
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 90_000)), min_size=2, max_size=40), st.integers(1, 48))
def test_a_replay_keeps_the_number_of_requests(tmp_path, rows, speed):
    rows[0] = (rows[0][0], rows[0][1] + 1)
    lengths = [lasts_s for lasts_s, _ in rows[:-2]] + [rows[-2][0]] * 2  # the last one as long as the one before
    with (tmp_path / "rates.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "hits"])
        table.writerows([sum(lengths[:place]), count] for place, (_, count) in enumerate(rows))
    shape = {"csv": {"file": "rates.csv", "scale": "1.5x", "speed": f"{speed}x"}}
    curve = execution_of(tmp_path, shape).curve
    assert curve.total == pytest.approx(1.5 * sum(count for _, count in rows) / speed)
    assert curve.length_s == pytest.approx(sum(lengths) / speed)


@pytest.mark.parametrize(
    ("rows", "refusal"),
    [
        ("", ("missing-column", "toril.curves.shop.csv.file", "rates.csv", "line 1")),
        ("time,rps\n0,5\n", ("too-few-rows", "toril.curves.shop.csv.file", "rates.csv", "line 2")),
        *(
            (f"time,rps\n0,5\n{row}\n", ("bad-row", "toril.curves.shop.csv.file", "rates.csv", "line 3"))
            for row in ("60,fast", "60,-7", "noon,7", "60")
        ),
        ("time,rps\n60,5\n0,7\n", ("unsorted-times", "toril.curves.shop.csv.file", "rates.csv", "line 3")),
        ("time,rps\n0,5\n60,9999999999\n", ("out-of-range", "toril.curves.shop.csv.file", "rates.csv", "line 3")),
        ("time,rps,rate\n0,5,5\n", ("missing-column", "toril.curves.shop.csv.file", "rates.csv", "2 columns")),
        ('time,rps\n0,"5\n', ("bad-row", "toril.curves.shop.csv.file", "rates.csv", "line 2")),
        (b"time,rps\n\xff,5\n", ("not-utf-8", "toril.curves.shop.csv.file", "rates.csv")),
    ],
)
def test_an_error_in_a_file_of_rates_names_its_line(tmp_path, rows, refusal):
    path = write(tmp_path, "", "rates.csv")
    path.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    refuses(tmp_path, suite({"csv": "rates.csv"}), *refusal)


def test_a_file_of_rates_must_be_in_the_suites_folder_and_is_sent_to_workers(tmp_path):
    folder = tmp_path / "shop"
    write(folder, "time,rps\n0,1\n1,1\n", "data/rates.csv")
    found = read(folder, suite({"csv": "data/rates.csv"}))
    assert "data/rates.csv" in {file.as_posix() for file in found.files}
    write(tmp_path, "time,rps\n0,1\n1,1\n", "rates.csv")
    refuses(folder, suite({"csv": "../rates.csv"}), "outside-folder", "../rates.csv")
    refuses(folder, suite({"csv": "data"}), "unreadable-file", "data")


KEYS = (
    *("constant", "ramp", "steps", "spikes", "sine", "points", "csv", "for", "from", "to", "every", "period", "at"),
    *("rps", "base", "peak", "lasts", "low-at", "file", "scale", "speed"),
)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["5m", "10/s", "1k/min", "24x", "0", "", "${X}", "../rates.csv", "rates.csv", "1e9", "\u202e"]),
)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@examples(300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANYTHING)
def test_any_value_is_a_curve_or_is_rejected_in_one_line(tmp_path, shape):
    write(tmp_path, "time,rps\n0,5\n60,7\n", "rates.csv")
    try:
        (execution,) = read(tmp_path, suite(shape)).executions
    except SuiteError as refused:
        assert str(refused).startswith("suite.yml: toril.curves")
        assert "\n" not in str(refused)
        assert len(str(refused)) < 600
    else:
        assert execution.curve.total > 0
