"""Searches for a commit in a real repository, with duets that are made up."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from tests.clocks import SteppedClock
from tests.refusals import refused
from tests.suite.test_git import git
from toril.desk.bisect import Searching, begun
from toril.errors import InfrastructureError, OptionError
from toril.records import ComparedMetric, Comparison, Outcome, Reason, Verdict, run_key
from toril.records.bisect import Bisect
from toril.store import FolderStore
from toril.suite.git import commits_between

SLOW, COMMITS = 5, 8  # of the commits after the good one
HOOK = """
import os, sys
from pathlib import Path

with open({said!r}, "a") as file:
    print(*sys.argv[1:], file=file)
number = int((Path(os.environ["TORIL_HEAD_DIR"]) / "number").read_text())
assert (Path(os.environ["TORIL_BASE_DIR"]) / "number").read_text() == "0"
if sys.argv[1] == "start":
    if number in {broken!r}:
        sys.exit("it does not build")
    print("started")
    print("base=http://127.0.0.1:1")
    print(f"head=http://127.0.0.1:{{number + 1}}")
"""


class Place:
    """A repository with numbered commits, a store, and duets whose changes are as planned."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.store = folder / "clone", FolderStore(folder / "store")
        self.clone.mkdir()
        git(self.clone, "init", "-q", "-b", "main")
        for number in range(COMMITS + 1):
            (self.clone / "number").write_text(str(number))
            git(self.clone, "add", "-A")
            git(self.clone, "commit", "-q", "-m", str(number))
        self.commits = commits_between(self.clone, f"HEAD~{COMMITS}", "HEAD")
        self.said, self.program = folder / "said.txt", folder / "hook.py"
        self.duets = list[tuple[int, tuple[str, ...]]]()
        self.fails_at, self.reasons, self.lines = 0, dict[int, str](), list[str]()
        self.change = {number: 0.2 * (number >= SLOW) for number in range(1, COMMITS + 1)}

    def duet(self, of, base, head, overrides):
        number = int(head.rpartition(":")[2]) - 1
        assert (base, self.commits[number]) == ("http://127.0.0.1:1", of.commit)
        self.duets.append((number, tuple(overrides)))
        if len(self.duets) == self.fails_at:
            raise InfrastructureError("no capacity", code="no-capacity")
        change = self.change[number]
        metrics = [
            ComparedMetric(
                label=label, metric="p95", unit="us", change=one, spread=0.02, blocks=10, margin=0.03,
                outcome="failed" if one > 0.03 else "passed",
            )
            for label, one in (("cart", change / 4), ("home", change))
        ]  # fmt: skip
        outcome: Outcome = "failed" if change > 0.03 else "passed"
        comparison = Comparison(outcome=outcome, metrics=tuple(metrics))
        reason = Reason(self.reasons.get(number, "regression" if change > 0.03 else "no-regression"), "")
        verdict = Verdict(outcome=outcome, reasons=(reason,), comparison=comparison)
        self.store.put(run_key(of.run_id, "verdict.json"), verdict.to_json())

    def search(self, *, broken=(), restart=False, **facts):
        self.program.write_text(HOOK.format(said=str(self.said), broken=set(broken)))
        hook = shlex.join([sys.executable, str(self.program)])
        first, *later = self.commits
        new = Bisect(**{"suite": "shop", "good": first, "commits": tuple(later), "at": 0.0} | facts)
        found = begun(self.store, new, restart=restart)
        return Searching(self.store, SteppedClock(0.0), self.clone, hook, self.duet, self.lines.append).run(found)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_commit_is_found_with_the_metric_that_moved_most(place):
    ended = place.search()
    assert (ended.outcome, ended.found, ended.label) == ("found", place.commits[SLOW], "home")
    (first, nothing), *others = place.duets
    assert (first, nothing) == (COMMITS, ())
    assert {number for number, _ in others} >= {SLOW - 1, SLOW}
    margin = json.loads(json.dumps(others[0][1]))[2]
    assert others[0][1][:2] == ('toril.regression.labels=["home"]', 'toril.regression.metrics=["p95"]')
    assert 9 < float(margin.removeprefix("toril.regression.margin=").removesuffix("%")) < 10
    said = place.said.read_text().splitlines()
    assert said[:2] == [f"start {place.commits[0]} {place.commits[-1]}", "stop"]
    assert said.count("stop") == len(place.duets)
    assert "started" in place.lines
    assert len(git(place.clone, "worktree", "list").splitlines()) == 1


def test_an_interrupted_search_continues_and_an_ended_one_starts_nothing(place):
    place.fails_at = 3
    with refused("no-capacity", error=InfrastructureError):
        place.search()
    place.fails_at, before = 0, len(place.duets)
    ended = place.search()
    assert ended.outcome == "found"
    measured = [duet.commit for duet in ended.duets]
    assert len(measured) == len(place.duets) - 1  # without the one that failed
    assert place.duets[before][0] == place.duets[before - 1][0]
    before = len(place.duets)
    assert place.search() == ended
    assert len(place.duets) == before
    assert place.search(restart=True).found == ended.found
    assert len(place.duets) > before


@pytest.mark.parametrize("changed", [{"options": ("-oa=1",)}, {"error": 0.01}])
def test_a_search_with_other_options_is_not_mixed(place, changed):
    place.search()
    with refused("other-search", error=OptionError):
        place.search(**changed)


def test_commits_that_do_not_start_are_skipped(place):
    ended = place.search(broken=range(1, SLOW))
    assert {duet.skipped for duet in ended.duets} == {"", "hook-failed"}
    assert (ended.outcome, ended.found) == ("range", "")
    assert ended.candidates == place.commits[1 : SLOW + 1]
    assert ended.probability >= 0.95


def test_commits_whose_measurements_are_invalid_are_skipped(place):
    place.reasons = {SLOW: "saturated"}
    ended = place.search()
    assert [duet.skipped for duet in ended.duets if duet.commit == place.commits[SLOW]] == ["saturated"]
    assert (ended.outcome, ended.candidates) == ("range", place.commits[SLOW : SLOW + 2])


def test_a_bad_commit_that_cannot_be_measured_ends_the_search(place):
    with refused("hook-failed", error=OptionError):
        place.search(broken=[COMMITS])
    place.reasons = {COMMITS: "saturated"}
    with refused("unmeasured-commit", "saturated", error=OptionError):
        place.search()


@pytest.mark.parametrize(("change", "outcome"), [(0.0, "none"), (None, "undecided")])
def test_without_a_proven_change_nothing_is_searched(place, change, outcome):
    place.change = dict.fromkeys(place.change, 0.0)
    if change is None:
        place.store.put = keeping_undecided(place.store.put)
    ended = place.search()
    assert (ended.outcome, len(place.duets)) == (outcome, 1)


def keeping_undecided(put):
    return lambda key, data: put(key, data.replace(b'"passed"', b'"inconclusive"') if "verdict" in key else data)


def test_too_many_commits_are_refused(place):
    with refused("too-many-commits", error=OptionError):
        begun(place.store, Bisect(suite="shop", good="a", commits=("b",) * 1001, at=0.0), restart=False)
