"""Suites in the store: a push keeps the commit, and a fetch returns one complete version or fails."""

from pathlib import Path

import pytest

from tests.refusals import refused
from toril.errors import OptionError, StoreError, SuiteError
from toril.records import SuiteOrigin
from toril.runs.publish import address_of, fetch, local_suite, push
from toril.store import FolderStore
from toril.suite import read_suite

ORIGIN = SuiteOrigin(commit="c" * 40)


class Waiting:
    """A clock that counts the waited seconds, and calls a function during each wait."""

    def __init__(self, meanwhile=lambda: None):
        self.waited_s, self.meanwhile = 0.0, meanwhile

    def now(self) -> float:
        return 1000.0 + self.waited_s

    def sleep(self, seconds: float) -> None:
        self.waited_s += seconds
        self.meanwhile()


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


def test_a_fetch_returns_the_pushed_files_and_commit(tmp_path, store):
    suite = written(tmp_path / "shop")
    push(store, suite, ORIGIN, 5.0)
    found = fetch(store, "shop", tmp_path / "there", Waiting())
    assert found.origin == ORIGIN
    again = read_suite(found.paths)
    assert again.name == suite.name
    assert again.files == suite.files
    assert all((again.folder / file).read_bytes() == (suite.folder / file).read_bytes() for file in suite.files)


def test_a_fetch_waits_for_a_running_push(tmp_path, store):
    push(store, written(tmp_path / "shop"), None, 5.0)
    record = store.get("suites/shop.json")
    push(store, written(tmp_path / "shop", "http://127.0.0.1:2/"), ORIGIN, 6.0)
    new = store.get("suites/shop.json")
    store.put("suites/shop.json", record)  # the files are new, but their record is old
    clock = Waiting(lambda: store.put("suites/shop.json", new))
    assert fetch(store, "shop", tmp_path / "there", clock).origin == ORIGIN
    assert clock.waited_s > 0


def test_an_incomplete_push_is_an_error(tmp_path, store):
    push(store, written(tmp_path / "shop"), None, 5.0)
    store.put("suites/shop/suite.yml", b"half")
    with refused("changed-suite", error=StoreError):
        fetch(store, "shop", tmp_path / "there", Waiting())


def test_a_missing_suite_is_an_error_with_the_fix(tmp_path, store):
    with refused("no-such-suite", "toril push", error=StoreError):
        fetch(store, "shop", tmp_path, Waiting())


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"])
def test_a_record_cannot_name_files_outside_the_suites_folder(tmp_path, store, name):
    push(store, written(tmp_path / "shop"), None, 5.0)
    record = store.get("suites/shop.json").decode().replace("data/users.csv", name.replace("\\", "\\\\"))
    store.put("suites/shop.json", record.encode())
    with pytest.raises((StoreError, SuiteError)) as caught:
        fetch(store, "shop", tmp_path / "there", Waiting())
    assert "evil" in str(caught.value)
    assert not list(tmp_path.rglob("evil"))


def test_local_files_and_folders_are_used_unchanged():
    with local_suite(["a.yml", "b.yml"], Waiting()) as found:
        assert found.paths == ("a.yml", "b.yml")


def test_a_suite_in_a_bucket_cannot_be_merged():
    written = ["s3://b/suites/shop", "x.yml"]
    with refused("merged-bucket-suite", *written, error=OptionError), local_suite(written, Waiting()):
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
