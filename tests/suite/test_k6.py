"""k6 in a suite: the division of its load, also into segments, and the rejection of keys that it ignores."""

import pytest

from tests.suite.reading import read, refuses
from toril.plan import make_plan


def suite(tmp_path, **keys):
    (tmp_path / "load.js").write_text("export default function () {}\n")
    return {"execution": [{"executor": "k6", "scenario": {"script": "load.js"}, **keys}]}


def segments(folder, written, workers):
    plan = make_plan(read(folder, written), run_id="run", workers=workers)
    parts = [share.executions[0] for share in plan.shares]
    assert all(part.segment is not None and part.concurrency is None for part in parts)
    assert len({part.segment.whole for part in parts if part.segment}) == 1
    return [part.segment.own for part in parts if part.segment]


def test_k6_is_a_tested_engine(tmp_path):
    assert read(tmp_path, suite(tmp_path, **{"hold-for": "1m"})).warnings == ()


def test_load_keys_are_divided_as_for_any_engine(tmp_path):
    written = suite(tmp_path, concurrency=5, **{"hold-for": "1m"})
    plan = make_plan(read(tmp_path, written), run_id="run", workers=2)
    assert [share.executions[0].concurrency for share in plan.shares] == [3, 2]
    assert [share.executions[0].segment for share in plan.shares] == [None, None]


def test_the_scripts_own_load_is_divided_into_segments_without_gaps(tmp_path):
    assert segments(tmp_path, suite(tmp_path), 1) == ["0:1"]
    assert segments(tmp_path, suite(tmp_path), 3) == ["0:1/3", "1/3:2/3", "2/3:1"]


def test_segments_follow_the_weights_of_locations(tmp_path):
    written = suite(tmp_path, locations={"madrid": 2, "sevilla": 1})
    assert segments(tmp_path, written, 2) == ["0:2/3", "2/3:1"]
    assert segments(tmp_path, written, 3) == ["0:1/3", "1/3:2/3", "2/3:1"]


@pytest.mark.parametrize(("key", "value"), [("throughput", 10), ("steps", 3)])
def test_keys_that_k6_ignores_are_rejected(tmp_path, key, value):
    written = suite(tmp_path, **{"ramp-up": "5s", "hold-for": "1m", key: value})
    refuses(tmp_path, written, "ignored-load", f"execution[0].{key}")


def test_iterations_beside_a_ramp_up_are_rejected(tmp_path):
    written = suite(tmp_path, iterations=3, **{"ramp-up": "5s"})
    refuses(tmp_path, written, "conflicting-keys", "execution[0].iterations", "ramp-up")


def test_k6_needs_a_k6_script(tmp_path):
    requests = {"execution": [{"executor": "k6", "scenario": {"requests": ["http://shop/"]}}]}
    refuses(tmp_path, requests, "missing-script", "execution[0].scenario")
    (tmp_path / "load.jmx").write_text("<jmeterTestPlan/>")
    refuses(tmp_path, suite(tmp_path, scenario={"script": "load.jmx"}), "unsupported-script", "load.jmx")
