"""A folder as a store."""

from pathlib import Path

import pytest

from toril.errors import OptionError, StoreError
from toril.store import FolderStore, open_store


def test_what_is_put_is_found_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("runs/r/plan.json", b"{}")
    assert store.get("runs/r/plan.json") == b"{}"
    assert store.find("runs/r/stop.json") is None


def test_a_write_once_key_keeps_its_first_value(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.put_once("runs/r/start.json", b"first")
    assert not store.put_once("runs/r/start.json", b"second")
    assert store.get("runs/r/start.json") == b"first"


def test_keys_come_in_order_and_only_below_their_prefix(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for key in ("runs/b/2", "runs/b/1", "runs/a/1", "runs/bb/1"):
        store.put(key, b"")
    assert list(store.keys("runs/b/")) == ["runs/b/1", "runs/b/2"]
    assert list(store.keys("runs/b")) == ["runs/b/1", "runs/b/2", "runs/bb/1"]


def test_half_written_files_are_not_keys(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".tmp-half").write_bytes(b"half")
    assert list(FolderStore(tmp_path).keys("runs/")) == []


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "a\nb", "a\\b"])
def test_a_key_cannot_leave_the_store(tmp_path: Path, key: str) -> None:
    with pytest.raises(StoreError, match="not a key"):
        FolderStore(tmp_path).put(key, b"")


def test_names_of_scripts_may_have_spaces_and_accents(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("runs/r/suite/Prüfung der Kasse.jmx", b"x")
    assert list(store.keys("runs/")) == ["runs/r/suite/Prüfung der Kasse.jmx"]


def test_a_store_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another --store"):
        FolderStore(tmp_path / "file").put("runs/r", b"")


def test_deleting_a_run_leaves_its_neighbours(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("runs/r/plan.json", b"")
    store.put("runs/r2/plan.json", b"")
    store.delete("runs/r/")
    store.delete("runs/never/")
    assert list(store.keys("runs/")) == ["runs/r2/plan.json"]


def test_other_addresses_are_refused() -> None:
    with pytest.raises(OptionError, match="folder"):
        open_store("ftp://x")


def test_a_value_that_cannot_be_put_in_its_place_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "runs" / "r" / "summary.json").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"summary\.json cannot be written"):
        FolderStore(tmp_path).put("runs/r/summary.json", b"{}")
    assert [path.name for path in (tmp_path / "runs" / "r").iterdir()] == ["summary.json"]


@pytest.mark.parametrize("address", ["", " "])
def test_an_empty_address_is_not_the_current_folder(address: str) -> None:
    with pytest.raises(OptionError, match="--store is empty"):
        open_store(address)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="name a folder"):
        open_store(str(tmp_path / "file"))
