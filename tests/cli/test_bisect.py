"""`toril bisect`: its options, its forecast, and its duets."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.duets import SWITCHED
from tests.refusals import refused
from tests.suite.test_git import git
from toril import cli
from toril.errors import OptionError
from toril.records.bisect import Bisect, BisectDuet
from toril.store import FolderStore


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with four commits and a suite, as the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "suite.yml").write_text(SWITCHED)
    git(tmp_path, "init", "-q", "-b", "main")
    for subject in "0123":
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", subject)
    return folder


def call(*arguments: object) -> Any:
    return CliRunner().invoke(cli.app, ["bisect", *map(str, arguments)], catch_exceptions=False)


def ended(place: Path, outcome: Any = "found", options: tuple[str, ...] = ("--on=local",)) -> Bisect:
    """Stores an ended search between the first and the last commit."""
    good, *commits = git(place, "rev-list", "--reverse", "HEAD").split()
    duet = BisectDuet(commit=commits[2], run_id="a-run", change=0.2, spread=0.01, pairs=10)
    search = Bisect(
        suite="shop", good=good, commits=tuple(commits), options=options, at=1.0, metric="p95", outcome=outcome,
        candidates=tuple(commits[1:2]), probability=0.97, change=0.2, low=0.18, high=0.22, duets=(duet,),
    )  # fmt: skip
    FolderStore(place.parent / ".toril").put(search.key, search.to_json())
    return search


def test_the_forecast_has_duets_and_time_and_starts_nothing(place):
    done = call(place, "--good", "main~3", "--bad", "main", "--start", "/nowhere/hook", "--estimate")
    assert done.exit_code == 0
    for part in ("3 commits", "5 duets", "at most 15", "slices of 2 s"):
        assert part in done.stdout
    assert not (place.parent / ".toril" / "bisect").exists()


def test_the_forecast_on_fargate_has_a_line_on_the_price(place):
    on_aws = SWITCHED.replace("execution:\n- {", "execution:\n- {locations: {us-east-1: 1}, ")
    (place / "suite.yml").write_text(on_aws)
    done = call(place, "--good", "main~3", "--bad", "main", "--on", "fargate", "--estimate")
    assert done.exit_code == 0
    assert "price" in done.stdout


@pytest.mark.parametrize(("outcome", "code"), [("found", 0), ("several", 3), ("none", 3), ("undecided", 3)])
def test_an_ended_search_is_printed_again_without_a_program(place, outcome, code):
    search = ended(place, outcome)
    done = call(place, "--good", "main~3", "--bad", "main")
    assert done.exit_code == code
    assert "a-run" in done.stdout
    assert (search.candidates[0][:12] in done.stdout) == (outcome in ("found", "undecided"))
    done = call(place, "--good", "main~3", "--bad", "main", "--format", "json", "--quiet")
    assert Bisect.from_json(done.stdout.encode(), "") == search


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--good", "main~3"), "missing-option"),
        (("--good", "main"), "not-an-ancestor"),
        (("--good", "main~3", "--error", "5"), "option-value"),
    ],
)
def test_incomplete_and_wrong_options_are_refused(place, options, code):
    with refused(code, error=OptionError):
        call(place, "--bad", "main", *options)


def test_duets_get_the_options_and_the_search_keeps_them(place, monkeypatch):
    duets = list[list[str]]()

    class Duet:
        def main(self, arguments: list[str], **_: Any) -> int:
            duets.append(arguments)
            return 4

    own = cli.command
    monkeypatch.setattr(cli, "command", lambda name: Duet() if name == "duet" else own(name))
    hook = place.parent / "hook"
    hook.write_text("#!/bin/sh\necho base=http://127.0.0.1:1\necho head=http://127.0.0.1:2\n")
    hook.chmod(0o755)
    options = ("--workers", 2, "-o", "execution.0.hold-for=20s", "--env", "SHOP_URL=http://127.0.0.1:1")
    done = call(place, "--good", "main~3", "--bad", "main", "--start", hook, *options, "--max-cost", 2)
    assert done.exit_code == 4  # an error of a duet ends the search
    (arguments,) = duets
    bad = git(place, "rev-parse", "main")
    given = ["--on=local", "--workers=2", "-oexecution.0.hold-for=20s", "--env=SHOP_URL=http://127.0.0.1:1"]
    assert [one for one in arguments if one in given] == given
    assert {f"--tag=commit={bad[:12]}", "--max-cost=2.0"} <= set(arguments)
    assert arguments[arguments.index("--fail-on") + 1] == "none"
    ended(place, options=tuple(given))
    again = call(place, "--good", "main~3", "--bad", "main", *options, "--format", "json", "--quiet")
    assert json.loads(again.stdout)["options"] == given
