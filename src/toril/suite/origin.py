"""Which version of a suite is run: the commit of the git repository that its folder is part of."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from toril.records import SuiteOrigin

LIMIT_S = 10
# reading only: no lock on the user's index, no helper program of the repository's own
ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C"}
STATUS = (
    "-c",
    "core.fsmonitor=false",
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--no-renames",
    "--no-ahead-behind",
)
FIELDS_BEFORE_PATH = {"1": 8, "u": 10, "?": 1, "!": 1}


def read_origin(folder: Path, files: Iterable[Path]) -> SuiteOrigin | None:
    """The commit, and which of `files` (below `folder`) differ from it; None without git, repository or commit."""
    command = ["git", "-C", str(folder), *STATUS, "--untracked-files=all", "--ignored", "--", *map(str, files)]
    try:
        done = subprocess.run(
            command, env={**os.environ, **ENVIRONMENT}, capture_output=True, timeout=LIMIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.decode("utf-8", "replace").split("\0")
    said = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    commit, branch = said.get("branch.oid", "(initial)"), said.get("branch.head", "(detached)")
    if commit == "(initial)":
        return None
    changed = [line.split(" ", FIELDS_BEFORE_PATH[line[0]])[-1] for line in lines if line[:1] in FIELDS_BEFORE_PATH]
    return SuiteOrigin(
        commit=commit, branch=None if branch == "(detached)" else branch, changed=tuple(sorted(filter(None, changed)))
    )
