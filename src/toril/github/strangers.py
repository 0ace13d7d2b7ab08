"""Reads the folders of runs that may come from a stranger, such as the workflow of a fork.

A few files of limited size are read and checked. Nothing is followed, executed or looked up because of what stands in
them; interval files and pages are not touched. What is wrong is a StoreError that names the file.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from toril.errors import StoreError
from toril.launchers.pricing import cost_line
from toril.records import End, Plan, Verdict
from toril.records.document import MOST_ENTRIES
from toril.records.summary import Summary
from toril.reports import Bundle
from toril.text import plain

MOST_BYTES = 32 << 20  # of a file: the summary of 10,000 labels has half of it
MOST_BYTES_OF_ALL = 128 << 20  # of the files of all runs: in memory they take up to eighty times as much
MOST_RUNS = 600  # as many jobs as a matrix of GitHub's may have, with a run and a duet each, and some more
FILES = ("plan.json", "summary.json", "verdict.json", "end.json")
LONGEST_TEXT = 10_000  # characters; toril itself writes none of more than a few thousand
LONGEST_PROBLEM = 500  # characters: some of them may be the stranger's
NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")  # others could name comments that are not about runs


def read_runs(paths: Iterable[Path]) -> tuple[list[Bundle], list[str]]:
    """The runs in these folders, and the problems of those that cannot be read: a damaged run keeps no other out.

    Each folder is a run, or holds some, or holds a folder `runs` that does.
    """
    folders: list[Path] = []
    bundles, problems = [], []
    for path in paths:
        try:
            folders += _folders(path)
        except StoreError as error:
            problems.append(plain(error, LONGEST_PROBLEM))
    if len(folders) > MOST_RUNS:
        raise StoreError(
            f"{len(folders)} runs, more than the {MOST_RUNS} that are read at once; name fewer", code="too-many-runs"
        )
    bytes_of_all = 0
    for folder in folders:
        try:
            sizes = [os.lstat(folder / name).st_size for name in FILES if os.path.lexists(folder / name)]
            bytes_of_all += sum(size for size in sizes if size <= MOST_BYTES)  # a longer one is refused unread
            if bytes_of_all > MOST_BYTES_OF_ALL:
                raise StoreError(
                    f"{len(folders)} runs have more than {MOST_BYTES_OF_ALL >> 20} MiB; name fewer",
                    code="too-many-runs",
                )
            bundles.append(read_run(folder))
        except StoreError as error:
            problems.append(plain(error, LONGEST_PROBLEM))
    return bundles, problems


def read_run(folder: Path) -> Bundle:
    """One run: plan, summary and verdict, and of those what a comment shows."""
    plan = _plan(folder / "plan.json")
    summary, verdict = folder / "summary.json", folder / "verdict.json"
    bundle = Bundle(
        plan=plan,
        summary=Summary.from_stranger(_data(summary), str(summary)),
        verdict=Verdict.from_stranger(_data(verdict), str(verdict)),
    )
    ended = folder / "end.json"
    return _priced(bundle, ended) if plan.on == "fargate" and os.path.lexists(ended) else bundle


def _priced(bundle: Bundle, path: Path) -> Bundle:
    end = End.from_json(_data(path), str(path))
    try:
        load_s, requests = bundle.summary.duration_s or 0.0, bundle.summary.total.samples or None
        return replace(bundle, cost=cost_line(bundle.plan, end, {}, load_s=load_s, requests=requests))
    except (ArithmeticError, ValueError) as error:  # sizes and paces that no run has
        raise StoreError(f"{path} and plan.json beside it have no price: {error}", code="foreign-record") from error


def _folders(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        raise StoreError(
            f"{path} is no folder; name a run's folder, or one that holds such folders", code="no-such-folder"
        )
    if (path / "plan.json").exists():
        yield path
        return
    runs = path / "runs"
    within = runs if runs.is_dir() and not runs.is_symlink() else path
    found = [one for one in sorted(within.iterdir()) if not one.is_symlink() and (one / "plan.json").exists()]
    if not found:
        raise StoreError(f"{path} holds no run: no plan.json in it, nor in its folders", code="no-run")
    yield from found


def _data(path: Path) -> bytes:
    """The content of a plain file of a run; what lies behind a link is not."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise StoreError(f"{path} is no plain file", code="unreadable-file")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}; a judged run has it, and not as a link", code="unreadable-file"
        ) from error
    if len(data) > MOST_BYTES:
        raise StoreError(f"{path} has more than {MOST_BYTES >> 20} MiB", code="too-large")
    return data


def _plan(path: Path) -> Plan:
    """A plan without the load, which no comment shows."""
    plan = Plan.from_json(_data(path), str(path))
    if not (NAME.fullmatch(plan.suite) and NAME.fullmatch(plan.run_id)):
        raise StoreError(
            f"{path} is not what toril writes: its suite or run has a name that none has", code="foreign-record"
        )
    texts = (plan.toril_version, *plan.warnings, *plan.warning_codes, *plan.tags, *plan.tags.values())
    if len(texts) > MOST_ENTRIES or any(len(text) > LONGEST_TEXT for text in texts):
        raise StoreError(
            f"{path} is not what toril writes: names, tags or warnings are too long, or too many", code="foreign-record"
        )
    return plan.model_copy(update={"common": {}, "environment": {}})
