"""Executions that read the results of another tool: their file, and the rejection of load keys."""

import pytest

from tests.suite.reading import codes, read, refuses, write
from toril.plan import make_plan

LOADER = {"executor": "external-results-loader"}


def suite(**keys):
    return {"execution": [{**LOADER, **keys}]}


def test_one_worker_reads_the_results_file_and_receives_it(tmp_path):
    (tmp_path / "results.jtl").write_text("timeStamp,elapsed\n")
    found = read(tmp_path, suite(**{"data-file": "results.jtl"}))
    assert [file.name for file in found.files] == ["results.jtl", "suite.yml"]
    assert found.warnings == ()
    written = suite(**{"data-file": "results.jtl"})
    written["execution"] *= 2
    plan = make_plan(read(tmp_path, written), run_id="run", workers=2)
    assert [len(share.executions) for share in plan.shares] == [1, 1]
    assert plan.executions[0].concurrency is plan.executions[0].iterations is None


def test_a_scenario_may_name_the_results_file(tmp_path):
    written = {**suite(scenario="visits"), "scenarios": {"visits": {"data-file": "results.jtl"}}}
    assert codes(read(tmp_path, written).warnings) == ["results-missing"]
    (tmp_path / "results.jtl").write_text("timeStamp,elapsed\n")
    assert read(tmp_path, written).warnings == ()


def test_a_results_file_outside_the_suite_is_not_copied(tmp_path):
    outside = write(tmp_path, "x", "results.jtl")
    (tmp_path / "suite").mkdir()
    found = read(tmp_path / "suite", suite(**{"data-file": str(outside)}))
    assert found.executions[0].config["data-file"] == str(outside)
    assert [file.name for file in found.files] == ["suite.yml"]


def test_an_execution_without_a_results_file_is_rejected(tmp_path):
    refuses(tmp_path, suite(), "missing-key", "execution[0].data-file")
    refuses(tmp_path, suite(**{"data-file": ["a", "b"]}), "not-a-path", "execution[0].data-file")


@pytest.mark.parametrize(("key", "value"), [("concurrency", 2), ("hold-for", "1m"), ("iterations", 1), ("steps", 2)])
def test_load_keys_are_rejected(tmp_path, key, value):
    refuses(tmp_path, suite(**{"data-file": "results.jtl", key: value}), "ignored-load", f"execution[0].{key}")


@pytest.mark.parametrize(
    ("key", "value", "refusal"),
    [
        ("wait-for-file", "soon", ("not-a-duration", "execution[0].wait-for-file", "soon")),
        ("results-timeout", [1], ("not-a-duration", "execution[0].results-timeout", "[1]")),
        ("recorded", "yes", ("not-a-boolean", "execution[0].recorded", "yes")),
        ("record", True, ("unknown-key", "execution[0].record", "recorded")),
        ("wait-for-fle", "3s", ("unknown-key", "execution[0].wait-for-fle", "wait-for-file")),
        ("data-file-pattern", 5, ("not-a-path", "execution[0].data-file-pattern")),
    ],
)
def test_invalid_values_are_rejected(tmp_path, key, value, refusal):
    refuses(tmp_path, suite(**{"data-file": "results.jtl", key: value}), *refusal)
