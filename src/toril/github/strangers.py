"""Reads untrusted folders of runs, for example from the workflow of a fork.

Reads and checks a few files of limited size. Follows no links, executes nothing, and sends no requests because of
their content; ignores interval files and pages. A StoreError names an invalid file.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from toril.errors import StoreError
from toril.launchers.pricing import cost_line, finished_cost
from toril.records import End, Plan, Verdict
from toril.records.document import MOST_ENTRIES
from toril.records.summary import Summary
from toril.reports import Bundle
from toril.text import plain

MOST_BYTES = 32 << 20  # per file; the summary of 10,000 labels needs half of it
MOST_BYTES_OF_ALL = 128 << 20  # of all files together; in memory they need up to eighty times as much
MOST_RUNS = 600  # more than a run and a duet for each of the 256 jobs of a matrix on GitHub
FILES = ("plan.json", "summary.json", "verdict.json", "end.json")
LONGEST_TEXT = 10_000  # characters; toril writes at most a few thousand
LONGEST_PROBLEM = 500  # characters, partly untrusted
NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")  # other names could address comments that are not about runs


def read_runs(paths: Iterable[Path]) -> tuple[list[Bundle], list[str]]:
    """Returns the readable runs in these folders, and the problems of the others.

    Each folder is a run, contains runs, or contains a folder `runs` with runs.
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
            f"{len(folders)} runs are too many; the maximum is {MOST_RUNS}. Name fewer folders.", code="too-many-runs"
        )
    bytes_of_all = 0
    for folder in folders:
        try:
            sizes = [os.lstat(folder / name).st_size for name in FILES if os.path.lexists(folder / name)]
            # A larger file is refused without reading.
            bytes_of_all += sum(size for size in sizes if size <= MOST_BYTES)
            if bytes_of_all > MOST_BYTES_OF_ALL:
                raise StoreError(
                    f"{len(folders)} runs have more than {MOST_BYTES_OF_ALL >> 20} MiB. Name fewer folders.",
                    code="too-many-runs",
                )
            bundles.append(read_run(folder))
        except StoreError as error:
            problems.append(plain(error, LONGEST_PROBLEM))
    return bundles, problems


def read_run(folder: Path) -> Bundle:
    """Returns one run: plan, summary and verdict, reduced to the content of comments."""
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
        estimate = finished_cost(bundle.plan, end, {}, load_s=load_s, requests=requests)
        return replace(bundle, cost=cost_line(bundle.plan, estimate))
    except (ArithmeticError, ValueError) as error:  # impossible sizes and rates
        raise _refused(
            path, f"cannot compute a price from this file and plan.json: {error}", code="foreign-record"
        ) from error


def _folders(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        text = "not a folder. Name the folder of a run, or a folder that contains runs."
        raise _refused(path, text, code="no-such-folder")
    if (path / "plan.json").exists():
        yield path
        return
    runs = path / "runs"
    within = runs if runs.is_dir() and not runs.is_symlink() else path
    folders = [path for path in sorted(within.iterdir()) if not path.is_symlink() and (path / "plan.json").exists()]
    if not folders:
        raise _refused(path, "no run found: neither this folder nor its subfolders have a plan.json.", code="no-run")
    yield from folders


def _refused(path: Path, text: str, *, code: str) -> StoreError:
    return StoreError(f"{path}: {text}", code=code)


def _data(path: Path) -> bytes:
    """Returns the content of a regular file; StoreError for links and other files."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise _refused(path, "not a regular file.", code="unreadable-file")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        text = f"cannot read the file: {error.strerror}. Judged runs have it as a regular file, not as a link."
        raise _refused(path, text, code="unreadable-file") from error
    if len(data) > MOST_BYTES:
        raise _refused(path, f"larger than {MOST_BYTES >> 20} MiB.", code="too-large")
    return data


def _plan(path: Path) -> Plan:
    """Returns the plan without the load, which comments do not show."""
    plan = Plan.from_json(_data(path), str(path))
    if not (NAME.fullmatch(plan.suite) and NAME.fullmatch(plan.run_id)):
        raise _refused(path, "not written by toril: invalid name of the suite or run.", code="foreign-record")
    texts = (plan.toril_version, *plan.warnings, *plan.warning_codes, *plan.tags, *plan.tags.values())
    if len(texts) > MOST_ENTRIES or any(len(text) > LONGEST_TEXT for text in texts):
        text = "not written by toril: names, tags or warnings are too long or too many."
        raise _refused(path, text, code="foreign-record")
    return plan.model_copy(update={"common": {}, "environment": {}})
