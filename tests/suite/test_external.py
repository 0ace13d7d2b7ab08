"""Executions that read the results of another tool: which file, and no load."""

import pytest

from tests.suite.reading import read, refusal, write
from toril.plan import make_plan

LOADER = {"executor": "external-results-loader"}


def suite(**keys):
    return {"execution": [{**LOADER, **keys}]}


def test_one_worker_reads_it_and_the_file_goes_along(tmp_path):
    (tmp_path / "results.jtl").write_text("timeStamp,elapsed\n")
    found = read(tmp_path, suite(**{"data-file": "results.jtl"}))
    assert [file.name for file in found.files] == ["results.jtl", "suite.yml"]
    assert found.warnings == ()
    written = suite(**{"data-file": "results.jtl"})
    written["execution"] *= 2
    plan = make_plan(read(tmp_path, written), run_id="run", workers=2)
    assert [len(share.executions) for share in plan.shares] == [1, 1]
    assert plan.executions[0].concurrency is plan.executions[0].iterations is None


def test_its_file_may_be_named_by_a_scenario(tmp_path):
    written = {**suite(scenario="visits"), "scenarios": {"visits": {"data-file": "results.jtl"}}}
    (warning,) = read(tmp_path, written).warnings
    assert "does not exist yet" in warning
    (tmp_path / "results.jtl").write_text("timeStamp,elapsed\n")
    assert read(tmp_path, written).warnings == ()


def test_a_file_elsewhere_is_left_where_it_is(tmp_path):
    outside = write(tmp_path, "x", "results.jtl")
    (tmp_path / "suite").mkdir()
    found = read(tmp_path / "suite", suite(**{"data-file": str(outside)}))
    assert found.executions[0].config["data-file"] == str(outside)
    assert [file.name for file in found.files] == ["suite.yml"]


def test_without_a_file_it_is_refused(tmp_path):
    assert "execution[0].data-file is missing" in refusal(tmp_path, suite())
    assert "no name of a file" in refusal(tmp_path, suite(**{"data-file": ["a", "b"]}))


@pytest.mark.parametrize(("key", "value"), [("concurrency", 2), ("hold-for", "1m"), ("iterations", 1), ("steps", 2)])
def test_load_is_refused(tmp_path, key, value):
    assert f"execution[0].{key} is set, but the load is what the other tool has made of it" in refusal(
        tmp_path, suite(**{"data-file": "results.jtl", key: value})
    )


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("wait-for-file", "soon", "execution[0].wait-for-file is `soon`, not a duration"),
        ("results-timeout", [1], "results-timeout"),
        ("recorded", "yes", "execution[0].recorded is `yes`"),
        ("record", True, "did you mean `recorded`?"),
        ("wait-for-fle", "3s", "execution[0].wait-for-fle is unknown; did you mean `wait-for-file`?"),
        ("data-file-pattern", 5, "execution[0].data-file-pattern is no text"),
    ],
)
def test_what_it_cannot_mean_is_refused_before_a_run(tmp_path, key, value, why):
    assert why in refusal(tmp_path, suite(**{"data-file": "results.jtl", key: value}))
