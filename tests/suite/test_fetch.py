"""Copying a suite's files from a store: keys are not trusted, and the amount has a limit."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.suite.reading import SIMPLE, refuses, write
from toril.errors import SuiteError
from toril.suite import fetch
from toril.suite.fetch import ChangedFileError, fetch_files, hashes_of, inside

PREFIX = "suites/shop/"


class Bucket:
    """A store with arbitrary keys, like a bucket."""

    def __init__(self, *names: str, size: int = 1) -> None:
        self.names, self.data, self.asked = names, b"x" * size, 0

    def get(self, key: str) -> bytes:
        self.asked += 1
        return self.data

    @property
    def listed(self) -> dict[str, str]:
        return dict.fromkeys(self.names, hashlib.sha256(self.data).hexdigest())


def fetched(folder, *names, size=1):
    bucket = Bucket(*names, size=size)
    fetch_files(bucket, PREFIX, folder, bucket.listed)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refuses_files(folder, code, *names):
    with refused(code):
        fetched(folder / "suite", *names)
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_files_are_copied_with_their_folders(tmp_path):
    assert fetched(tmp_path, "suite.yml", "data/users.csv", "data/ü/a b.csv") == [
        "data/users.csv",
        "data/ü/a b.csv",
        "suite.yml",
    ]


OUT = ["../x", "a/../../x", "a/..", "..", ".", "", "/etc/x", "//x", "a//x", "a/", "./x", "..\\x", "a\\..\\x", "C:\\x"]
OUT += ["C:x", "C:/x", "\\\\host\\share", "a\0b", "a\nb", "\x7f", "x" * 1001, "a/" * 501 + "x", "\ud800"]


@pytest.mark.parametrize("name", OUT)
def test_a_name_outside_the_folder_is_rejected_before_any_write(tmp_path, name):
    refuses_files(tmp_path, "outside-folder", "suite.yml", name)
    with refused("outside-folder"):
        inside(tmp_path, name)


@pytest.mark.parametrize("name", [".git/hooks/post-checkout", ".GIT/config", "data/.git/config"])
def test_a_file_that_git_would_obey_is_rejected(tmp_path, name):
    refuses_files(tmp_path, "outside-folder", "suite.yml", name)


@pytest.mark.parametrize(("one", "other"), [("a.csv", "A.csv"), ("Data/x", "data/x"), ("é", "e\u0301"), ("ß", "SS")])
def test_names_that_collide_on_some_file_systems_are_rejected(tmp_path, one, other):
    refuses_files(tmp_path, "colliding-names", one, other)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b/c", "a"), ("A/b", "a")])
def test_a_name_that_is_a_file_and_a_folder_is_rejected(tmp_path, names):
    refuses_files(tmp_path, "colliding-names", *names)


def test_a_file_with_another_hash_is_rejected_and_not_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/a").write_bytes(b"a")
    listed = hashes_of(tmp_path / "there", [Path("a")])
    with refused("changed-file", "suites/shop/a", error=ChangedFileError):
        fetch_files(Bucket("a"), PREFIX, tmp_path / "suite", listed)
    assert not [path for path in (tmp_path / "suite").rglob("*") if path.is_file()]


def test_a_link_in_the_folder_is_replaced_and_not_followed(tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "suite"
    outside.mkdir()
    folder.mkdir()
    (outside / "kept").write_text("kept")
    (folder / "data").symlink_to(outside)
    (folder / "file").symlink_to(outside / "kept")
    for name in ("data/users.csv", "data/kept", "file"):
        with refused("outside-folder", name):
            fetched(folder, name)
        with refused("outside-folder", name):
            inside(folder, name)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("kept", "kept")]


def test_a_hard_linked_file_outside_keeps_its_content(tmp_path):
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "suite").mkdir()
    os.link(tmp_path / "elsewhere", tmp_path / "suite/a")
    assert fetched(tmp_path / "suite", "a") == ["a"]
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_too_many_files_are_rejected_without_reading_them(tmp_path):
    bucket = Bucket(*map(str, range(fetch.MAX_FILES + 1)))
    with refused("too-large", "5,000"):
        fetch_files(bucket, PREFIX, tmp_path, bucket.listed)
    assert bucket.asked == 0


def test_too_many_bytes_are_rejected(tmp_path):
    bucket = Huge("a", "b", "c")
    with refused("too-large", "2048 MiB"):
        fetch_files(bucket, PREFIX, tmp_path, bucket.listed)
    assert bucket.asked == 1


class Size(bytes):
    """Bytes that report a huge length."""

    def __len__(self) -> int:
        return fetch.MAX_BYTES + 1


class Huge(Bucket):
    def get(self, key: str) -> bytes:
        self.asked += 1
        return Size(b"x")


PARTS = st.sampled_from(["..", ".", "", "a", "b", "A", "C:", "\\", "é", "\0", "x.csv"]) | st.text(max_size=5)
NAMES = st.lists(st.lists(PARTS, max_size=4).map("/".join), max_size=5)


@given(NAMES)
@example(["a", "../a"])
def test_no_key_writes_outside_the_folder(tmp_path_factory, names):
    top = tmp_path_factory.mktemp("top")
    folder = top / "a" / "suite"
    try:
        found = fetched(folder, *names)
    except SuiteError:
        found = []
    written = [path for path in top.rglob("*") if path.is_file()]
    assert len(written) == len(found)
    assert all(path.is_relative_to(folder) for path in written)


def test_the_plan_rejects_names_that_workers_cannot_copy(tmp_path):
    for name in ("data.csv", "Data.csv"):
        (tmp_path / name).write_text("a\n")
    if len(list(Path(tmp_path).iterdir())) < 2:
        pytest.skip("this disk ignores case")
    write(tmp_path, SIMPLE)
    refuses(tmp_path, SIMPLE, "colliding-names", "data.csv", "Data.csv")
