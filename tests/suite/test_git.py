"""The version of a suite in git: its commit, and the files that differ from it."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.refusals import refused
from toril.errors import OptionError
from toril.suite.git import checked_out, commit_of_default_branch, commits_between, read_origin

FILES = [Path("suite.yml"), Path("data/users, all.csv")]
NOBODY = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments],
        env={**os.environ, **NOBODY},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "repository" / "loadtests" / "shop"
    (folder / "data").mkdir(parents=True)
    for file in FILES:
        (folder / file).write_text("first\n")
    git(tmp_path / "repository", "init", "-q", "-b", "main")
    return folder


def committed(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


def test_a_committed_suite_has_its_commit_and_no_changes(suite):
    commit = committed(suite)
    origin = read_origin(suite, FILES)
    assert origin is not None
    assert (origin.commit, origin.branch, origin.changed) == (commit, "main", ())
    assert origin.tag == commit[:12]


def test_changed_and_new_files_are_named(suite):
    (suite / ".gitignore").write_text("secret.csv\n")
    commit = committed(suite)
    (suite / "suite.yml").write_text("second\n")
    for new in ("secret.csv", "new\tñ.py"):
        (suite / new).write_text("new\n")
    (suite / "unrelated.txt").write_text("not part of the suite\n")
    origin = read_origin(suite, [*FILES, Path("secret.csv"), Path("new\tñ.py")])
    assert origin is not None
    assert origin.changed == tuple(f"loadtests/shop/{name}" for name in ("new\tñ.py", "secret.csv", "suite.yml"))
    assert origin.tag == commit[:12] + "+"


def test_a_detached_head_has_a_commit_and_no_branch(suite):
    commit = committed(suite)
    git(suite, "checkout", "-q", "--detach")
    origin = read_origin(suite, FILES)
    assert origin is not None
    assert (origin.commit, origin.branch) == (commit, None)


def test_a_repository_without_a_commit_has_no_origin(suite):
    assert read_origin(suite, FILES) is None


def test_a_folder_outside_a_repository_has_no_origin(tmp_path):
    (tmp_path / "suite.yml").write_text("first\n")
    assert read_origin(tmp_path, [Path("suite.yml")]) is None


def test_a_missing_folder_has_no_origin(tmp_path):
    assert read_origin(tmp_path / "none", FILES) is None


def test_reading_does_not_change_the_index(suite):
    committed(suite)
    index = suite.parent.parent / ".git" / "index"
    os.utime(suite / "suite.yml", (1, 1))  # git would write the new time into its index
    before = index.read_bytes()
    read_origin(suite, FILES)
    assert index.read_bytes() == before


def test_other_line_ends_and_lfs_pointers_are_no_changes(suite):
    content = b"user\nann\n" * 1000
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(content).hexdigest()}\nsize 9000\n"
    )
    (suite / "data/users, all.csv").write_text(pointer)
    committed(suite)
    (suite / "data/users, all.csv").write_bytes(content)
    (suite / "suite.yml").write_bytes(b"first\r\n")
    origin = read_origin(suite, FILES)
    assert origin is not None
    assert origin.changed == ()
    (suite / "data/users, all.csv").write_bytes(content + b"x")
    origin = read_origin(suite, FILES)
    assert origin is not None
    assert origin.changed == ("loadtests/shop/data/users, all.csv",)


def test_a_repository_with_sha256_is_read(tmp_path):
    git(tmp_path, "init", "-q", "--object-format=sha256")
    (tmp_path / "suite.yml").write_text("first\n")
    commit = committed(tmp_path)
    assert len(commit) == 64
    (tmp_path / "new.csv").write_text("new\n")
    origin = read_origin(tmp_path, [Path("suite.yml"), Path("new.csv")])
    assert origin is not None
    assert (origin.commit, origin.changed) == (commit, ("new.csv",))


def test_git_variables_of_a_hook_are_ignored(suite, tmp_path, monkeypatch):
    committed(suite)
    known = read_origin(suite, FILES)
    git(tmp_path, "init", "-q", "hooked")
    git(tmp_path / "hooked", "commit", "-q", "-m", "other", "--allow-empty")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "hooked" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", "other")
    assert known is not None
    assert read_origin(suite, FILES) == known


@pytest.mark.parametrize("cloned", [False, True], ids=["without origin/HEAD", "with origin/HEAD"])
def test_a_commit_of_the_default_branch_is_found_by_seven_digits(suite, tmp_path, cloned):
    commit, folder = committed(suite), suite
    if cloned:
        git(tmp_path, "clone", "-q", str(tmp_path / "repository"), "clone")
        folder = tmp_path / "clone"
        git(folder, "checkout", "-q", "-b", "change")
        git(folder, "commit", "-q", "--allow-empty", "-m", "a change")
        with refused("not-on-default-branch", error=OptionError):
            commit_of_default_branch(folder, git(folder, "rev-parse", "HEAD"))
    assert commit_of_default_branch(folder, commit[:7]) == commit_of_default_branch(folder, commit) == commit


@pytest.mark.parametrize("text", ["main", "HEAD", "abc123", "--upload-pack=touch${IFS}x", "abcdef0\n", "A" * 40, ""])
def test_a_text_that_is_no_hash_is_no_commit(suite, text):
    committed(suite)
    with refused("not-a-commit", error=OptionError):
        commit_of_default_branch(suite, text)


def test_a_branch_named_as_a_hash_is_no_commit(suite):
    committed(suite)
    git(suite, "branch", "abcdef0")
    with refused("not-on-default-branch", error=OptionError):
        commit_of_default_branch(suite, "abcdef0")


def test_a_shallow_clone_cannot_tell_which_commits_a_branch_has(suite, tmp_path):
    commit = committed(suite)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{tmp_path / 'repository'}", "clone")
    with refused("shallow-clone", "fetch-depth: 0", error=OptionError):
        commit_of_default_branch(tmp_path / "clone", commit)


# Commits between two


@pytest.fixture
def merged(tmp_path):
    """A repository with a merged branch: first, (aside), merge, last."""
    folder = tmp_path / "merged"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "file").write_text("first")
    committed(folder)
    git(folder, "switch", "-q", "-c", "aside")
    git(folder, "commit", "-q", "--allow-empty", "-m", "aside")
    git(folder, "switch", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "merge", "aside")
    (folder / "file").write_text("last")
    committed(folder)
    return folder


def test_a_merged_branch_is_one_commit_between_two(merged):
    wanted = tuple(git(merged, "rev-parse", name) for name in ("HEAD~2", "HEAD~1", "HEAD"))
    assert commits_between(merged, "HEAD~2", "main") == wanted


@pytest.mark.parametrize(("good", "bad"), [("main", "main~1"), ("main", "main")])
def test_the_bad_commit_must_come_from_the_good_one(merged, good, bad):
    with refused("not-an-ancestor", good, error=OptionError):
        commits_between(merged, good, bad)


@pytest.mark.parametrize("revision", ["nowhere", "--all", ""])
def test_a_revision_that_git_does_not_know_is_refused(merged, revision):
    with refused("git-failed", error=OptionError):
        commits_between(merged, revision, "main")


def test_a_commit_is_checked_out_beside_the_clone_for_a_while(merged):
    (merged / "file").write_text("changed")
    with checked_out(merged, git(merged, "rev-parse", "HEAD~2")) as folder:
        assert (folder / "file").read_text() == "first"
        (folder / "built").write_text("by the hook")
    assert not folder.exists()
    assert (merged / "file").read_text() == "changed"
    assert len(git(merged, "worktree", "list").splitlines()) == 1
