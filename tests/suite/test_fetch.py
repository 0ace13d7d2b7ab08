"""Copying a suite's files from a store: keys are not trusted."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.refusals import refused
from toril.errors import SuiteError
from toril.suite.fetch import ChangedFileError, fetch_files, hashes_of, inside

PREFIX = "suites/shop/"


class Bucket:
    """A store with arbitrary keys, like a bucket."""

    def __init__(self, *names: str) -> None:
        self.names, self.data = names, b"x"

    def get(self, key: str) -> bytes:
        return self.data

    @property
    def listed(self) -> dict[str, str]:
        return dict.fromkeys(self.names, hashlib.sha256(self.data).hexdigest())


def fetched(folder, *names):
    bucket = Bucket(*names)
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
