"""A worker's scratch folder, and records that are freed once read."""

import os
import sys

import pytest

from toril.engines.disk import Scratch, free_space, is_full


@pytest.fixture(autouse=True)
def temporary_files_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_folders_of_killed_workers_are_removed_and_those_of_living_ones_kept(tmp_path):
    left = tmp_path / "toril-worker-left"
    left.mkdir()
    (left / "lock").touch()
    living = Scratch()
    own = Scratch()
    assert not left.exists()
    assert living.folder.is_dir()
    own.remove()
    living.remove()
    assert list(tmp_path.iterdir()) == []


def test_other_entries_of_the_temporary_folder_neither_stop_a_worker_nor_are_removed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    for name in ("fifo", "device", "folder", "link"):
        (tmp_path / f"toril-worker-{name}").mkdir()
    os.mkfifo(tmp_path / "toril-worker-fifo" / "lock")
    (tmp_path / "toril-worker-device" / "lock").symlink_to("/dev/zero")
    (tmp_path / "toril-worker-folder" / "lock").mkdir()
    (tmp_path / "toril-worker-link" / "lock").symlink_to(elsewhere / "lock")
    (tmp_path / "toril-worker-elsewhere").symlink_to(elsewhere)
    (tmp_path / "toril-worker-file").touch()
    Scratch().remove()  # a hang would exceed the test's time limit
    assert (elsewhere / "lock").is_file()
    assert {"toril-worker-device", "toril-worker-link", "toril-worker-file"} <= {one.name for one in tmp_path.iterdir()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_kept(tmp_path):
    left = tmp_path / "toril-worker-left"
    left.mkdir()
    (left / "lock").touch()
    os.chown(left, 4711, -1)
    Scratch().remove()
    assert left.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="files with holes that keep their offsets are Linux'")
def test_bytes_that_were_read_are_freed_and_the_others_kept(tmp_path):
    path = tmp_path / "rows"
    with path.open("wb") as writer, path.open("r+b") as reader:
        writer.write(b"a" * 1_000_000)
        writer.flush()
        reader.seek(1_000_000)
        free_space(reader, 1_000_000)
        writer.write(b"b" * 10)
        writer.flush()
        assert reader.read() == b"b" * 10
        assert path.stat().st_size == 1_000_010
        assert path.stat().st_blocks * 512 < 200_000


@pytest.mark.parametrize(
    ("blocks", "free", "full"),
    [(1_000_000, 500_000, False), (1_000_000, 100, True), (1_000_000, 0, True), (0, 0, False)],
    ids=["room", "hardly any", "none", "a file system that counts nothing"],
)
def test_a_disk_counts_as_full_before_records_can_be_lost(tmp_path, blocks, free, full):
    status = os.statvfs_result((4096, 4096, blocks, free, free, 0, 0, 0, 0, 255))
    assert is_full(tmp_path, lambda folder: status) is full


def test_the_disk_of_this_machine_can_be_checked(tmp_path):
    assert not is_full(tmp_path)
