"""Which version of a suite is run: the commit of the git repository that its folder is part of."""

from collections.abc import Iterable
from pathlib import Path

from toril.errors import UserError
from toril.records import SuiteOrigin
from toril.suite.git import entries, git, is_as_stored

BRANCHES = "refs/heads/"


def read_origin(folder: Path, files: Iterable[Path]) -> SuiteOrigin | None:
    """The commit, and which of `files` (below `folder`) differ from it; None without git, repository or commit."""
    try:
        said = git(folder, "rev-parse", "--show-prefix", "HEAD", "--symbolic-full-name", "HEAD")
        prefix, commit, head = said.removesuffix("\n").rsplit("\n", 2)
        known = {path: (mode, found) for (mode, _, found), path in entries(git(folder, "ls-tree", "-rz", commit))}
    except UserError:
        return None
    changed = [
        prefix + name
        for name in (file.as_posix() for file in files)
        if name not in known or not is_as_stored(folder / name, *known[name])
    ]
    branch = head.removeprefix(BRANCHES) if head.startswith(BRANCHES) else None
    return SuiteOrigin(commit=commit, branch=branch, changed=tuple(sorted(changed)))
