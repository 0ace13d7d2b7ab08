"""Selects the suites that a change must pass: changed suites and gates."""

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

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")  # used in a matrix, a path and a run id
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./~^@-]{0,199}")
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")  # of AWS
TEXTS = {".md", ".rst"}
SPARSE = "S"  # tag of `git ls-files -t` for a file outside a sparse checkout
MOST = 256  # jobs of a matrix on GitHub, which starts none if there are more


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A suite to run, and the reason."""

    name: str
    why: str


def choose(
    folder: Path, *, changed: Collection[Path] | None, on: LauncherName, every: bool, environment: Mapping[str, str],
    stage: str | None = None,
) -> list[Chosen]:  # fmt: skip
    """Returns the suites below `folder` to run, sorted by name; SuiteError names an unreadable suite.

    `changed` holds the changed files from `changed_since`; None means all files. Changes of texts run no gates.
    A suite with `toril.gate: false` never runs because of a change. `every` selects all suites.
    On this machine, a suite that needs AWS runs only if it is a gate. On Fargate, only suites with regions as
    locations run.
    """
    beyond_texts = changed is None or any(path.suffix not in TEXTS for path in changed)
    chosen = []
    for suite in _suites(folder):
        gate, fits = _examined(suite, on, environment, stage)
        touched = changed is None or any(path.is_relative_to(suite) for path in changed)
        if every and fits:
            chosen.append(Chosen(name=suite.name, why="--all"))
        elif gate and beyond_texts:
            chosen.append(Chosen(name=suite.name, why="gate"))
        elif touched and fits and gate is not False:
            chosen.append(Chosen(name=suite.name, why="changed"))
    return chosen


def changed_since(revision: str, folder: Path) -> frozenset[Path]:
    """Returns the files that differ from the merge base with `revision`; OptionError for an unknown revision."""
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise OptionError(
            f"--changed-since `{revision}`: not a revision. Write a branch, a tag or a commit hash.",
            code="option-value",
        )
    root = Path(git(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
    fork = git(root, "merge-base", revision, "HEAD", fix=f"Fetch {revision} (--changed-since) with its history.")
    tree = git(root, "ls-tree", "-rz", fork.strip())
    before = {path: (mode, digest) for (mode, _, digest), path in entries(tree)}
    staged = {path: about for about, path in entries(git(root, "ls-files", "-zt", "--stage"))}
    changed = {path for path in before if path not in staged}
    for path, (tag, mode, digest, _) in staged.items():
        here = tag == SPARSE or is_as_stored(root / path, mode, digest)
        if not here or before.get(path) != (mode, digest):
            changed.add(path)
    changed.update(filter(None, git(root, "ls-files", "-z", "--others", "--exclude-standard").split("\0")))
    return frozenset(root.resolve() / path for path in changed)


def _suites(folder: Path) -> list[Path]:
    """Returns the folders of the suites; checks all names before any suite is read."""
    if not folder.is_dir():
        raise OptionError(f"{folder}: no such folder. Name the folder that contains the suites.", code="no-such-folder")
    suites = [one for one in sorted(folder.resolve().iterdir()) if any((one / name).is_file() for name in SUITE_NAMES)]
    for suite in suites:
        if not NAME.fullmatch(suite.name):
            raise SuiteError(
                f"`{suite}`: invalid name for a suite. Rename it: use at most 60 letters, digits, `_` and `-`.",
                code="suite-name",
            )
    return suites


def _examined(suite: Path, on: LauncherName, env: Mapping[str, str], stage: str | None) -> tuple[bool | None, bool]:
    """Returns `toril.gate` of the suite, and whether the suite can run on `on`."""
    try:
        read = read_suite([suite], env=env, stage=stage)
        plan = make_plan(read, run_id="gate", workers=None)
    except SuiteError as error:
        raise SuiteError(f"{suite.parent.name}/{suite.name}: {error}", code="bad-suite") from error
    locations = {location for execution in read.executions for location in execution.locations}
    in_regions = bool(locations) and all(REGION.fullmatch(location) for location in locations)
    if on == "fargate":
        return (read.toril.gate if in_regions else None), in_regions
    return read.toril.gate, not (in_regions or read.toril.secrets or queries(plan))
