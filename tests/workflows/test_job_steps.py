"""Commands in the steps of a job whose run may not exist."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.measured import Sample
from tests.reports.runs import run_of
from toril import cli
from toril.cli.options import read_locations
from toril.errors import NoSuchRunError, OptionError
from toril.plan.options import RunOptions, plan_run
from toril.reports import render
from toril.runs.stored import fetch
from toril.store import FolderStore

SUITE = {
    "execution": [
        {"executor": "locust", "concurrency": 8, "hold-for": "1m", "scenario": "home", "locations": {"madrid": 1}},
        {"executor": "locust", "concurrency": 4, "hold-for": "1m", "scenario": "home"},
    ],
    "scenarios": {"home": {"requests": ["http://127.0.0.1/"]}},
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))
    return tmp_path / "suite.json"


def placed(suite: Path, **options) -> dict[str, int]:
    """Returns the virtual users of each location."""
    _, plan = plan_run([suite], RunOptions(**options), now=0.0)
    found: dict[str, int] = {}
    for share in plan.shares:
        found[share.location] = found.get(share.location, 0) + sum(one.concurrency or 0 for one in share.executions)
    return found


@pytest.mark.parametrize(
    "words", [["stop", "--ignore-missing"], ["report", "--ignore-missing"], ["fetch", "--ignore-missing"]]
)
def test_a_missing_run_is_no_error_with_the_option(tmp_path, words):
    command, leave = words
    asked = [command, "never", "--store", str(tmp_path)]
    assert isinstance(CliRunner().invoke(cli.app, asked).exception, NoSuchRunError)
    done = CliRunner().invoke(cli.app, [*asked, leave])
    assert done.exit_code == 0
    assert "nothing to" in done.output


def test_a_job_without_runs_posts_no_comment(tmp_path):
    done = CliRunner().invoke(
        cli.app, ["github", "comment", str(tmp_path / "artifacts/*/*"), "--ignore-missing", "--pull-request", "7"]
    )
    assert done.exit_code == 0
    assert "No comment posted" in done.output


def test_a_run_is_copied_with_its_whole_folder(tmp_path):
    source, target = FolderStore(tmp_path / "source"), FolderStore(tmp_path / "target")
    files = {"runs/one/plan.json": b"1", "runs/one/workers/w/a/intervals-000001": b"2"}
    for key, data in {**files, "runs/one-more/plan.json": b"3"}.items():
        source.put(key, data)
    assert fetch(source, "one", target) == (2, [])
    assert {key: target.get(key) for key in target.keys("")} == files


def test_job_outputs_are_outcome_and_names():
    bundle = run_of([Sample(1)], "fail>50%", run_id="20261124T150405Z-shop-1a2b")
    lines = render("outputs", bundle).decode().splitlines()
    assert lines[:2] == [f"outcome={bundle.outcome}", "run-id=20261124T150405Z-shop-1a2b"]


def test_a_suite_name_cannot_add_an_output():
    bundle = run_of([Sample(1)], "fail>50%")
    hostile = bundle.plan.model_copy(update={"suite": "shop\noutcome=passed\r\n<<E"})
    text = render("outputs", replace(bundle, plan=hostile))
    assert text.decode().splitlines()[2:] == ["suite=shop-outcome-passed----E"]


def test_the_locations_option_replaces_those_of_the_suite(suite):
    assert placed(suite)["madrid"] == 12
    assert placed(suite, locations={"us-east-1": "2", "eu-west-1": "1"}).keys() == {"us-east-1", "eu-west-1"}
    assert sum(placed(suite, locations={"us-east-1": "2", "eu-west-1": "1"}).values()) == 12


def test_the_default_weight_of_a_location_is_one():
    assert read_locations("us-east-1=2, eu-west-1") == {"us-east-1": "2", "eu-west-1": "1"}


@pytest.mark.parametrize("text", ["", ",", "a=b", "a=1,a=2", "a=-1", "a=1e9", "a=1=2"])
def test_invalid_locations_are_refused(text):
    with pytest.raises(OptionError, match="--locations"):
        read_locations(text)
