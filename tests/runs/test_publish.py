"""Suites in the store: a push keeps the commit, and a fetch returns one complete version or fails."""

from pathlib import Path

import pytest

from tests.refusals import refused
from toril.errors import OptionError, StoreError, SuiteError
from toril.records import SuiteOrigin
from toril.runs.publish import address_of, local_suite
from toril.runs.suites import Pushed, copy_to, current, delete, save, suite_names, versions
from toril.store import FolderStore
from toril.suite import read_suite
from toril.suite.fetch import hashes_of

ORIGIN = SuiteOrigin(commit="c" * 40)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def written(folder: Path, url: str = "http://127.0.0.1:1/"):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "users.csv").write_text("name\nanna\n")
    (folder / "suite.yml").write_text(
        "execution: [{executor: jmeter, concurrency: 1, hold-for: 5s, scenario: s}]\n"
        f"scenarios: {{s: {{requests: ['{url}'], data-sources: [data/users.csv]}}}}\n"
    )
    return read_suite([folder])


def push(store: FolderStore, suite, origin: SuiteOrigin | None, at: float, by: str):
    files = {file.as_posix(): suite.folder / file for file in suite.files}
    return save(store, suite.name, files, by=by, comment="", at=at, expected=None, origin=origin)


def fetched(store: FolderStore, name: str, into: Path, number: int | None = None):
    into.mkdir()
    copy_to(store, current(store, name, number), into / name)
    return read_suite([into / name])


def test_a_fetch_returns_the_pushed_files_and_commit(tmp_path, store):
    suite = written(tmp_path / "shop")
    assert push(store, suite, ORIGIN, 5.0, "anna@here").number == 1
    assert (current(store, "shop").by, current(store, "shop").origin) == ("anna@here", ORIGIN)
    again = fetched(store, "shop", tmp_path / "there")
    assert again.name == suite.name
    assert again.files == suite.files
    assert all((again.folder / file).read_bytes() == (suite.folder / file).read_bytes() for file in suite.files)


def test_a_push_of_an_older_toril_is_read_until_the_next_version(tmp_path, store):
    suite = written(tmp_path / "shop")
    hashes = hashes_of(suite.folder, suite.files)
    for name in hashes:
        store.put(f"suites/shop/{name}", (suite.folder / name).read_bytes())
    store.put("suites/shop.json", Pushed(suite="shop", at=4.0, files=hashes, origin=ORIGIN).to_json())
    assert suite_names(store) == ["shop"]
    assert fetched(store, "shop", tmp_path / "old").files == suite.files
    push(store, suite, None, 5.0, "anna")
    assert [one.number for one in versions(store, "shop")] == [1]
    assert fetched(store, "shop", tmp_path / "new").files == suite.files
    assert not list(store.keys("suites/shop/"))  # an older toril fails instead of running the old files
    delete(store, "shop")
    assert suite_names(store) == []


def test_a_changed_file_is_an_error(tmp_path, store):
    version = push(store, written(tmp_path / "shop"), None, 5.0, "anna")
    store.put(f"versions/shop/files/{version.files['suite.yml']}", b"half")
    with refused("changed-file", error=StoreError):
        fetched(store, "shop", tmp_path / "there")


def test_a_missing_suite_is_an_error_with_the_fix(store):
    with refused("no-such-suite", "toril suite push", error=StoreError):
        current(store, "shop")


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"])
def test_a_record_cannot_name_files_outside_the_suites_folder(tmp_path, store, name):
    push(store, written(tmp_path / "shop"), None, 5.0, "anna")
    key = "versions/shop/000001.json"
    store.put(key, store.get(key).decode().replace("data/users.csv", name.replace("\\", "\\\\")).encode())
    with pytest.raises((StoreError, SuiteError)) as caught:
        fetched(store, "shop", tmp_path / "there")
    assert "evil" in str(caught.value)
    assert not list(tmp_path.rglob("evil"))


def test_local_files_and_folders_are_used_unchanged():
    with local_suite(["a.yml", "b.yml"]) as found:
        assert found.paths == ("a.yml", "b.yml")


def test_a_suite_in_a_folders_store_has_an_address_like_one_in_a_bucket(tmp_path, store):
    push(store, written(tmp_path / "shop"), ORIGIN, 5.0, "anna")
    with local_suite([f"{store.folder}/suites/shop"]) as found:
        assert (read_suite(found.paths).name, found.origin) == ("shop", ORIGIN)
    there = written(store.folder / "suites" / "shop")  # an existing folder is what it is
    with local_suite([str(there.folder)]) as found:
        assert found.paths == (str(there.folder),)


def test_a_suite_in_a_bucket_cannot_be_merged():
    written = ["s3://b/suites/shop", "x.yml"]
    with refused("merged-bucket-suite", *written, error=OptionError), local_suite(written):
        pass


@pytest.mark.parametrize(
    ("text", "store_address", "name"),
    [("s3://b/suites/shop", "s3://b", "shop"), ("s3://b/team/x/suites/shop.2/", "s3://b/team/x", "shop.2")],
)
def test_the_address_of_a_suite_contains_its_store(text, store_address, name):
    assert address_of(text) == (store_address, name)


@pytest.mark.parametrize("text", ["s3://b/shop", "s3://b/suites/", "s3://b/suites/a/b"])
def test_an_invalid_suite_address_is_refused(text):
    with refused("suite-address", text, error=OptionError):
        address_of(text)
