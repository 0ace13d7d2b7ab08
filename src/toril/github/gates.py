"""Which suites a change has to pass: those that it touches, and those that are marked as gates."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from toril.errors import OptionError, SuiteError
from toril.plan import make_plan
from toril.records import LauncherName
from toril.suite import read_suite
from toril.suite.files import SUITE_NAMES
from toril.suite.git import entries, git, is_as_stored
from toril.verdict.servers import queries

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")  # goes into a matrix, a path and a run's id
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./~^@-]{0,199}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")  # of AWS
TEXTS = {".md", ".rst"}
SPARSE = "S"  # how `git ls-files -t` marks a file that a sparse checkout leaves out
MOST = 256  # jobs that a matrix of GitHub's may have; with more of them it starts none


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A suite to run, and why."""

    name: str
    why: str


def choose(
    folder: Path, *, changed: Collection[Path] | None, on: LauncherName, every: bool, environment: Mapping[str, str]
) -> list[Chosen]:
    """The suites below `folder` that are to run, by name.

    `changed`: what a change touches, as `changed_since` finds it; None is everything. Texts need no gate, and a suite
    whose `toril.gate` is false is none.
    `every`: all suites, whatever has changed. A suite that needs AWS is not chosen for this machine unless it is a
    gate; on Fargate only suites run whose locations are regions. SuiteError names a suite that cannot be read.
    """
    beyond_texts = changed is None or any(path.suffix not in TEXTS for path in changed)
    chosen = []
    for suite in _suites(folder):
        gate, fits = _examined(suite, on, environment)
        touched = changed is None or any(path.is_relative_to(suite) for path in changed)
        if every and fits:
            chosen.append(Chosen(name=suite.name, why="one of all suites"))
        elif gate and beyond_texts:
            chosen.append(Chosen(name=suite.name, why="a gate"))
        elif touched and fits and gate is not False:
            chosen.append(Chosen(name=suite.name, why="touched by the change"))
    return chosen


def changed_since(revision: str, folder: Path) -> frozenset[Path]:
    """The files that differ between the working tree and the commit at which it left `revision`; OptionError if git
    does not know that."""
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise OptionError(
            f"--changed-since {revision!r}: no name of a commit; write a branch, a tag or a hash", code="option-value"
        )
    root = Path(git(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
    fork = git(root, "merge-base", revision, "HEAD", fix=f"Fetch {revision} (--changed-since) with its history.")
    tree = git(root, "ls-tree", "-rz", fork.strip())
    before = {path: (mode, found) for (mode, _, found), path in entries(tree)}
    staged = {path: about for about, path in entries(git(root, "ls-files", "-zt", "--stage"))}
    changed = {path for path in before if path not in staged}
    for path, (tag, mode, found, _) in staged.items():
        here = tag == SPARSE or is_as_stored(root / path, mode, found)
        if not here or before.get(path) != (mode, found):
            changed.add(path)
    changed.update(filter(None, git(root, "ls-files", "-z", "--others", "--exclude-standard").split("\0")))
    return frozenset(root.resolve() / path for path in changed)


def _suites(folder: Path) -> list[Path]:
    """Their folders; every name is looked at before the first suite is read."""
    if not folder.is_dir():
        raise OptionError(
            f"{folder}: no such folder; name the one that holds the suites' folders", code="no-such-folder"
        )
    suites = [one for one in sorted(folder.resolve().iterdir()) if any((one / name).is_file() for name in SUITE_NAMES)]
    for found in suites:
        if not NAME.fullmatch(found.name):
            raise SuiteError(
                f"{str(found)!r}: no name for a gate; rename it: letters, digits, _ and -, at most 60",
                code="suite-name",
            )
    return suites


def _examined(suite: Path, on: LauncherName, environment: Mapping[str, str]) -> tuple[bool | None, bool]:
    """Whether it is a gate (False: not even of what touches it), and whether what it needs is on `on`."""
    try:
        read = read_suite([suite], env=environment)
        plan = make_plan(read, run_id="gate", workers=None)
    except SuiteError as error:
        raise SuiteError(f"{suite.parent.name}/{suite.name}: {error}", code="bad-suite") from error
    locations = {location for execution in read.executions for location in execution.locations}
    in_regions = bool(locations) and all(REGION.fullmatch(location) for location in locations)
    if on == "fargate":
        return (read.toril.gate if in_regions else None), in_regions
    return read.toril.gate, not (in_regions or read.toril.secrets or queries(plan))
