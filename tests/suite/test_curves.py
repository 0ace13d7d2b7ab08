"""Load curves in a suite: what each means, and what is refused with the place and the fix."""

import csv

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.suite.reading import read, refusal, write
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
def test_each_shape_means_its_points(tmp_path, shape, points):
    assert points_of(tmp_path, shape) == points


def test_a_day_is_a_sine_that_is_lowest_at_its_hour(tmp_path):
    shape = {"sine": {"from": 50, "to": 500, "period": "24h", "low-at": "4h"}, "for": "24h"}
    curve = execution_of(tmp_path, shape).curve
    assert curve.rate_at(4 * 3600) == pytest.approx(50)
    assert curve.rate_at(16 * 3600) == pytest.approx(500)
    assert curve.total == pytest.approx(275 * 86_400)


def test_a_curve_is_the_load_its_peak_the_throughput_and_a_leading_ramp_the_ramp_up(tmp_path):
    shapes = [{"ramp": {"to": 40}, "for": "10s"}, {"constant": 20, "for": "50s"}]
    execution = execution_of(tmp_path, shapes, delay="5s")
    assert (execution.throughput_rps, execution.delay_s) == (40, 5)
    assert (execution.ramp_up_s, execution.hold_for_s, execution.iterations) == (10, 50, None)
    assert (execution.config["throughput"], execution.config["hold-for"]) == (40, 60)
    alone = execution_of(tmp_path, shapes[0])
    assert (alone.ramp_up_s, alone.hold_for_s) == (0, 10)


def test_a_shape_that_says_not_how_long_lasts_as_long_as_the_hold(tmp_path):
    assert points_of(tmp_path, {"ramp": {"to": 9}}, **{"hold-for": "3m"}) == [(0, 0), (180, 9)]
    steps = {"steps": {"from": 1, "to": 2, "steps": 2, "every": "30s"}}
    assert execution_of(tmp_path, steps, **{"hold-for": "1m"}).curve.length_s == 60


def test_a_shape_may_be_written_as_the_throughput_and_for_each_place(tmp_path):
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
    assert "toril.curves.shop.constant is `${RATE}`" in refusal(tmp_path, document)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"sin": {}}, "toril.curves.shop.sin is unknown; did you mean `sine`?"),
        ({}, "`{}`, not a shape of load; write one of constant, ramp, steps"),
        (7, "`7`, not a mapping; write it like `{ramp: {from: 10, to: 500}, for: 5m}`"),
        ([], "a list of 0 shapes"),
        ([{"constant": 1, "for": 5}, {"ramp": {}, "for": 5}], "toril.curves.shop[1].ramp.to is missing"),
        ({"constant": 1}, "toril.curves.shop.for is missing, and without it nobody knows how long the constant"),
        ({"constant": 1, "for": "soon"}, "toril.curves.shop.for is `soon`, not a duration"),
        ({"constant": 1, "for": 0}, "toril.curves.shop.for is `0`, too short"),
        ({"constant": -1, "for": 5}, "`-1`, not a rate; write it like 500, 500/s or 30k/min"),
        ({"constant": "5/fortnight", "for": 5}, "`5/fortnight`, not a rate"),
        ({"constant": True, "for": 5}, "`True`, not a rate"),
        ({"constant": 1e30, "for": 5}, "not a rate"),
        ({"constant": "900M", "for": 5}, "more than 100,000,000/s"),
        ({"constant": 0, "for": 5}, "a curve that asks for no request at all"),
        ({"constant": 1, "ramp": {"to": 1}, "for": 5}, "both `constant` and `ramp`; write a list of shapes"),
        ({"ramp": {"form": 1, "to": 5}, "for": 5}, "toril.curves.shop.ramp.form is unknown; did you mean `from`?"),
        ({"steps": {"from": 1, "to": 5, "steps": 1, "every": 5}}, "write a number from 2 to 1,000"),
        ({"steps": {"from": 1, "to": 5, "steps": 5}}, "toril.curves.shop.steps.every is missing; write it like"),
        ({"steps": {"from": 1, "to": 5, "steps": 5, "every": 5}, "for": 9}, "which lasts as long as it says itself"),
        ({"spikes": {"base": 1, "peak": 5, "every": 5, "lasts": 5}, "for": 9}, "`5`, no shorter than `every`"),
        ({"spikes": {"base": 1, "peak": 5, "every": 0.01, "lasts": 0.005}, "for": "1d"}, "50,000 is the most"),
        ({"sine": {"from": 5, "to": 1, "period": 60}, "for": 60}, "`5`, more than `to`"),
        ({"sine": {"from": 1, "to": 5, "period": 1}, "for": "1d"}, "a curve of 8,294,400 points"),
        ({"points": [{"at": 0, "rps": 1}]}, "a list of 1; write two points or more"),
        ({"points": [{"at": 5, "rps": 1}, {"at": 9, "rps": 1}]}, "points[0].at is `5`; the first point is at 0s"),
        ({"points": [{"at": 0, "rps": 1}, {"at": 9, "rps": 1}, {"at": 8, "rps": 1}]}, "points[2].at is `8`, before"),
        ({"points": [{"at": 0, "rps": 1}, {"at": 0, "rps": 2}]}, "all at 0s"),
        ({"points": [{"at": 0, "rps": 1}, {"at": 5, "rsp": 2}]}, "points[1].rsp is unknown; did you mean `rps`?"),
        ({"csv": "gone.csv"}, "toril.curves.shop.csv.file is `gone.csv`, a CSV file of rates that does not exist"),
        ({"csv": "http://shop/rates.csv"}, "not known before the run; put a file into the suite"),
        ({"csv": {"file": "rates.csv", "scale": "much"}}, "`much`, not a factor; write it like 24x or 0.5x"),
        ({"csv": {"file": "rates.csv", "spede": 2}}, "spede is unknown; did you mean `speed`?"),
        ({"csv": {"file": "rates.csv", "count": "hist"}}, "line 1 has no column `hist`; did you mean `hits`?"),
        ({"csv": "rates.csv"}, "line 1 has no column for the rate or count (`ts, hits`); call it one of `rps`, `rate`"),
    ],
)  # fmt: skip
def test_what_is_no_curve_is_refused_with_the_fix(tmp_path, shape, says):
    write(tmp_path, "ts,hits\n", "rates.csv")
    if says.startswith("line 1 has no column `"):
        write(tmp_path, "time,hits\n0,1\n", "rates.csv")
    if "for the rate or count" in says:
        write(tmp_path, "time,nothing\n", "rates.csv")
        says = says.replace("ts, hits", "time, nothing")
    text = refusal(tmp_path, suite(shape))
    assert text.startswith("suite.yml: toril.curves.shop")
    assert says in text


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"throughput": 5}, "execution[0].throughput is set beside toril.curves.shop, which says the rate; leave"),
        ({"throughput": {"constant": 5}}, "execution[0].throughput is set beside toril.curves.shop; keep one"),
        ({"ramp-up": "5s"}, "execution[0].ramp-up is set beside a load curve"),
        ({"steps": 5}, "execution[0].steps is set beside a load curve"),
        ({"iterations": 5}, "execution[0].iterations is set beside a load curve"),
        ({"hold-for": "5s"}, "a curve that lasts 60 s by itself, beside a hold-for of 5 s; leave hold-for out"),
        ({"executor": "locust"}, "a load curve, and Locust paces its users by `wait_time` in the script; use"),
        ({"executor": "apiritif"}, "a load curve, and Apiritif has no pace of its own; use executor: jmeter or vegeta"),
        ({"executor": "selenium"}, "a load curve, and Selenium drives browsers"),
        ({"executor": "molotov"}, "a load curve, and Molotov keeps to no rate that changes; use executor: jmeter or"),
    ],
)  # fmt: skip
def test_what_cannot_be_beside_a_curve_is_refused(tmp_path, keys, says):
    assert says in refusal(tmp_path, suite({"constant": 5, "for": "1m"}, **keys))


@pytest.mark.parametrize(
    ("executor", "script", "says"),
    [
        (
            "k6",
            "load.js",
            "k6 sends what its script says; write the rates there, as stages of a `ramping-arrival-rate`",
        ),
        (
            "gatling",
            "load.scala",
            "Gatling sends what its simulation says; write the rates there, as `rampUsersPerSec`",
        ),
    ],
)
def test_engines_whose_scripts_say_the_rate_are_told_where_to_write_it(tmp_path, executor, script, says):
    write(tmp_path, "export default function () {}\n", script)
    document = suite({"constant": 5, "for": "1m"}, executor=executor)
    document["scenarios"]["shop"] = {"script": script}
    assert says in refusal(tmp_path, document)


def test_a_curve_is_not_beside_a_search(tmp_path):
    document = suite({"constant": 5, "for": "1m"}, executor="vegeta")
    del document["execution"][0]["concurrency"]
    document["toril"]["capacity"] = {"shop": {"from": 10, "to": 100, "until": ["p95>1s"]}}
    says = "toril.capacity.shop is beside a load curve, and a search sets the rate itself; keep one of the two"
    assert says in refusal(tmp_path, document)


def test_an_execution_whose_curve_has_a_slip_in_its_name_is_told_both_names(tmp_path):
    document = suite({"constant": 5, "for": "1m"}, executor="vegeta")
    del document["execution"][0]["concurrency"]
    document["toril"]["curves"]["shpo"] = document["toril"]["curves"].pop("shop")
    says = "its name is `shop`, and curves or searches are written for shpo"
    assert says in refusal(tmp_path, document)


def test_a_curve_of_no_execution_is_refused_with_the_nearest(tmp_path):
    document = suite({"constant": 5, "for": "1m"})
    document["toril"]["curves"]["shpo"] = {"constant": 5}
    assert "toril.curves.shpo is a curve of no execution; did you mean `shop`?" in refusal(tmp_path, document)


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
def test_rows_of_production_hold_until_the_next_one(tmp_path, rows, points):
    write(tmp_path, rows, "rates.csv")
    assert points_of(tmp_path, {"csv": "rates.csv"}) == points


@QUICK
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 90_000)), min_size=2, max_size=40), st.integers(1, 48))
def test_a_replay_keeps_the_sum(tmp_path, rows, speed):
    rows[0] = (rows[0][0], rows[0][1] + 1)
    lengths = [lasts_s for lasts_s, _ in rows[:-2]] + [rows[-2][0]] * 2  # the last interval is as the one before
    with (tmp_path / "rates.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["time", "hits"])
        table.writerows([sum(lengths[:place]), count] for place, (_, count) in enumerate(rows))
    shape = {"csv": {"file": "rates.csv", "scale": "1.5x", "speed": f"{speed}x"}}
    curve = execution_of(tmp_path, shape).curve
    assert curve.total == pytest.approx(1.5 * sum(count for _, count in rows) / speed)
    assert curve.length_s == pytest.approx(sum(lengths) / speed)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("", "line 1 has no column for the time"),
        ("time,rps\n0,5\n", "fewer than two rows"),
        ("time,rps\n0,5\n60,fast\n", "line 3 has `fast` for a rate or count"),
        ("time,rps\n0,5\n60,-7\n", "line 3 has `-7` for a rate or count"),
        ("time,rps\n0,5\nnoon,7\n", "line 3 has `noon` for a time; write 2026-11-24T15:00:00Z"),
        ("time,rps\n0,5\n60\n", "line 3 has 1 columns only"),
        ("time,rps\n60,5\n0,7\n", "line 3 (`0`) is not later than the row above it; sort the rows by time"),
        ("time,rps\n0,5\n60,9999999999\n", "line 3 asks for more than 100,000,000 requests per second"),
        ("time,rps,rate\n0,5,5\n", "line 1 has two columns for the rate, `rps` and `rate`; say which: `csv: {file: …,"),
        ("time,time,rps\n0,5,5\n", "line 1 has a column twice"),
        ('time,rps\n0,"5\n', "line 2 is no CSV"),
        ("time,rps\n" + "".join(f"{row},1\n" for row in range(20_001)), "line 20002 is beyond 20,000 rows"),
        (b"time,rps\n\xff,5\n", "cannot be read as UTF-8 text"),
    ],
)
def test_trouble_in_a_file_of_rates_is_told_with_its_line(tmp_path, rows, says):
    path = write(tmp_path, "", "rates.csv")
    path.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    text = refusal(tmp_path, suite({"csv": "rates.csv"}))
    assert "toril.curves.shop.csv.file is `rates.csv`, " in text
    assert says in text


def test_a_file_of_rates_goes_along_and_lies_in_the_suites_folder(tmp_path):
    folder = tmp_path / "shop"
    write(folder, "time,rps\n0,1\n1,1\n", "data/rates.csv")
    found = read(folder, suite({"csv": "data/rates.csv"}))
    assert "data/rates.csv" in {file.as_posix() for file in found.files}
    write(tmp_path, "time,rps\n0,1\n1,1\n", "rates.csv")
    assert "outside the suite's folder" in refusal(folder, suite({"csv": "../rates.csv"}))
    assert "which is no file" in refusal(folder, suite({"csv": "data"}))


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
def test_whatever_is_written_is_a_curve_or_is_refused_in_one_line(tmp_path, shape):
    write(tmp_path, "time,rps\n0,5\n60,7\n", "rates.csv")
    try:
        (execution,) = read(tmp_path, suite(shape)).executions
    except SuiteError as refused:
        assert str(refused).startswith("suite.yml: toril.curves")
        assert "\n" not in str(refused)
        assert len(str(refused)) < 600
    else:
        assert execution.curve.total > 0
