"""Reads a suite's commit from git, and which files differ from it.

It never starts a program that the repository's configuration names. It calls only commands that list names and objects.
Commands that compare with the working tree (`status`, `diff`) start filters, so this module compares hashes itself. The
exception is `checked_out`, for commits whose code is about to run.
"""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from toril.errors import InfrastructureError, OptionError, UserError
from toril.records import SuiteOrigin

LIMIT_S = 30
CHECKOUT_S = 600  # of a large repository
CHUNK_BYTES = 2**20
LARGEST_TEXT = 16 * 2**20  # bytes of a file whose line ends may differ from the commit's
LINK, SUBMODULE = "120000", "160000"
BRANCHES = "refs/heads/"
HASH = re.compile(r"[0-9a-f]{7,64}")
# No lock on the user's index, no connection, no fetch of missing objects, no replacement objects.
ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "none",  # overrides `protocol.*.allow` of the repository
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# git sets these inside a hook, where they name another repository.
OTHER_REPOSITORY = re.compile(
    r"GIT_(DIR|WORK_TREE|COMMON_DIR|INDEX_FILE|(ALTERNATE_)?OBJECT_DIRECTOR(Y|IES)|GRAFT_FILE|NAMESPACE|PREFIX|SHALLOW_FILE)"
).fullmatch
SETTINGS = (
    "safe.bareRepository=explicit",  # a folder that contains HEAD, objects and refs is not a repository
    "protocol.allow=never",
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.untrackedCache=false",
    "submodule.recurse=false",
)


def read_origin(folder: Path, files: Iterable[Path]) -> SuiteOrigin | None:
    """Returns the commit and the `files` (below `folder`) that differ; None without git, repository or commit."""
    try:
        output = git(folder, "rev-parse", "--show-prefix", "HEAD", "--symbolic-full-name", "HEAD")
        prefix, commit, head = output.removesuffix("\n").rsplit("\n", 2)
        known = {path: (mode, digest) for (mode, _, digest), path in entries(git(folder, "ls-tree", "-rz", commit))}
    except UserError:
        return None
    changed = [
        prefix + name
        for name in (file.as_posix() for file in files)
        if name not in known or not is_as_stored(folder / name, *known[name])
    ]
    branch = head.removeprefix(BRANCHES) if head.startswith(BRANCHES) else None
    return SuiteOrigin(commit=commit, branch=branch, changed=tuple(sorted(changed)))


def commit_of_default_branch(folder: Path, written: str) -> str:
    """Returns the whole hash of a commit on the default branch; OptionError for any other text.

    A commit of another branch, or of a fork, is not code of the repository. Servers hand it out all the same.
    """
    if not HASH.fullmatch(written):
        raise OptionError(f"`{written:.80}` is not the hash of a commit.", code="not-a-commit")
    _check_history(folder)
    default = "refs/remotes/origin/HEAD"  # missing in clones of workflows, which have checked out the branch
    branch = default if git(folder, "for-each-ref", default) else "HEAD"
    for commit in git(folder, "rev-list", branch, fix="").split():
        if commit.startswith(written):
            return commit
    raise OptionError(f"{written} is not a commit of the default branch.", code="not-on-default-branch")


def commits_between(folder: Path, good: str, bad: str) -> tuple[str, ...]:
    """Returns the whole hashes of the good commit and of all later ones, up to the bad commit.

    They are on the line of first parents, so a merged branch is one commit. OptionError `not-an-ancestor` unless the
    bad commit comes from the good one.
    """
    _check_history(folder)
    first, last = (
        git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()
        for revision in (good, bad)
    )
    if first == last or git(folder, "merge-base", first, last, fix="Name commits of one branch.").strip() != first:
        text = f"{good:.80} is not an earlier commit of {bad:.80}. Name a good commit that the bad one comes from."
        raise OptionError(text, code="not-an-ancestor")
    return first, *git(folder, "rev-list", "--first-parent", "--reverse", f"{first}..{last}").split()


@contextmanager
def checked_out(folder: Path, commit: str) -> Iterator[Path]:
    """Checks out a commit into a folder of its own, which is removed at the end. Submodules remain empty.

    This starts filters that the repository's configuration names, such as those of Git LFS.
    """
    with TemporaryDirectory(prefix="toril-", ignore_cleanup_errors=True) as made:
        place = Path(made) / commit[:12]
        git(folder, "worktree", "add", "--detach", str(place), commit, limit_s=CHECKOUT_S)
        try:
            yield place
        finally:
            git(folder, "worktree", "remove", "--force", "--force", str(place))


def _check_history(folder: Path) -> None:
    """Raises OptionError for a clone without history."""
    if git(folder, "rev-parse", "--is-shallow-repository").strip() != "false":
        text = "The clone has no history. Run `git fetch --unshallow`; in a workflow, check out with `fetch-depth: 0`."
        raise OptionError(text, code="shallow-clone")


def git(
    folder: Path,
    *command: str,
    limit_s: float = LIMIT_S,
    fix: str = "Run the command in a clone of the repository.",
) -> str:
    """Returns the output of a git command; raises OptionError with the cause and `fix`."""
    # The folder could contain a program that a relative entry of PATH finds.
    path = os.pathsep.join(directory for directory in os.get_exec_path() if Path(directory).is_absolute())
    program = shutil.which("git", path=path)
    if program is None:
        raise InfrastructureError("git is not in an absolute folder of PATH. Install git.", code="no-git")
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    try:
        done = subprocess.run(
            [program, "--no-pager", *settings, *command],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not OTHER_REPOSITORY(name)} | ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        message = error.stderr.decode("utf-8", "replace").strip() or f"exit code {error.returncode}"
        raise OptionError(f"git {command[0]}: {message.removesuffix('.')}. {fix}", code="git-failed") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfrastructureError(f"git {command[0]}: {error}. Try again.", code="git-failed") from error
    return os.fsdecode(done.stdout)


def entries(listing: str) -> Iterator[tuple[list[str], str]]:
    """Yields fields and path of each entry that `ls-tree -z` or `ls-files -z --stage` lists."""
    for entry in filter(None, listing.split("\0")):
        about, path = entry.split("\t", 1)
        yield about.split(" "), path


def is_as_stored(path: Path, mode: str, digest: str) -> bool:
    """Returns whether a file is that object: byte for byte, with other line ends, or in Git LFS.

    It ignores the repository's filters and encodings, so a file that they change differs. A submodule is always equal.
    """
    kind = "sha1" if len(digest) == 40 else "sha256"
    try:
        if mode == LINK:
            return _hash(kind, os.fsencode(path.readlink())) == digest
        if mode == SUBMODULE:
            return True
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and digest in _hashes(kind, file)
    except OSError:
        return False


def _hashes(kind: str, file: BinaryIO) -> Iterator[str]:
    size = os.fstat(file.fileno()).st_size
    whole, content = hashlib.new(kind, b"blob %d\0" % size, usedforsecurity=False), hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        whole.update(chunk)
        content.update(chunk)
    yield whole.hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{content.hexdigest()}\nsize {size}\n"
    yield _hash(kind, pointer.encode())
    if size <= LARGEST_TEXT:
        file.seek(0)
        yield _hash(kind, file.read(LARGEST_TEXT).replace(b"\r\n", b"\n"))


def _hash(kind: str, data: bytes) -> str:
    return hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
