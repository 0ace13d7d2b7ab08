"""aa.yml compares the demo shop with itself, and keeps the run."""

import json
from pathlib import Path

import pytest

from tests.workflows.acting import acting
from tests.workflows.shop import shop

pytestmark = [pytest.mark.nightly, pytest.mark.live, pytest.mark.timeout(600)]


def test_the_weekly_comparison_of_the_shop_with_itself_raises_no_alarm(tmp_path: Path) -> None:
    repository = shop(tmp_path / "repository")
    repository.on_main()
    with acting(tmp_path / "stage", repository) as stage:
        done = stage.run("schedule", {"schedule": "41 5 * * 0"}, "aa.yml")
    assert done.jobs == {"aa": "success"}, done.log
    (kept,) = done.artifact("aa").glob("*/verdict.json")
    comparison = json.loads(kept.read_text())["comparison"]
    assert comparison["aa"]
    assert comparison["outcome"] != "failed"
