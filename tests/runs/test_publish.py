"""Suites in the store: pushed with their commit, fetched as one version or not at all."""

from pathlib import Path

import pytest

from toril.errors import OptionError, StoreError, SuiteError
from toril.records import SuiteOrigin
from toril.runs.publish import address_of, fetch, local_suite, push
from toril.store import FolderStore
from toril.suite import read_suite

ORIGIN = SuiteOrigin(commit="c" * 40)


class Waiting:
    """A clock that notes what is waited for, and lets something happen meanwhile."""

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


def test_a_pushed_suite_comes_back_file_by_file_with_its_commit(tmp_path, store):
    suite = written(tmp_path / "shop")
    push(store, suite, ORIGIN, 5.0)
    found = fetch(store, "shop", tmp_path / "there", Waiting())
    assert found.origin == ORIGIN
    again = read_suite(found.paths)
    assert again.name == suite.name
    assert again.files == suite.files
    assert all((again.folder / file).read_bytes() == (suite.folder / file).read_bytes() for file in suite.files)


def test_a_fetch_waits_for_a_push_that_is_under_way(tmp_path, store):
    push(store, written(tmp_path / "shop"), None, 5.0)
    record = store.get("suites/shop.json")
    push(store, written(tmp_path / "shop", "http://127.0.0.1:2/"), ORIGIN, 6.0)
    new = store.get("suites/shop.json")
    store.put("suites/shop.json", record)  # the files are new already, and their record is not
    clock = Waiting(lambda: store.put("suites/shop.json", new))
    assert fetch(store, "shop", tmp_path / "there", clock).origin == ORIGIN
    assert clock.waited_s > 0


def test_a_push_that_never_ends_is_an_error_and_no_mixture(tmp_path, store):
    push(store, written(tmp_path / "shop"), None, 5.0)
    store.put("suites/shop/suite.yml", b"half")
    with pytest.raises(StoreError, match="push the suite again"):
        fetch(store, "shop", tmp_path / "there", Waiting())


def test_a_suite_that_nobody_pushed_is_named_with_the_fix(tmp_path, store):
    with pytest.raises(StoreError, match="is no suite; `toril push` puts"):
        fetch(store, "shop", tmp_path, Waiting())


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil", "a\\..\\evil"])
def test_a_record_cannot_name_a_file_outside_of_the_suites_folder(tmp_path, store, name):
    push(store, written(tmp_path / "shop"), None, 5.0)
    record = store.get("suites/shop.json").decode().replace("data/users.csv", name.replace("\\", "\\\\"))
    store.put("suites/shop.json", record.encode())
    with pytest.raises((StoreError, SuiteError)) as caught:
        fetch(store, "shop", tmp_path / "there", Waiting())
    assert "evil" in str(caught.value)
    assert not list(tmp_path.rglob("evil"))


def test_files_and_folders_are_taken_as_they_are():
    with local_suite(["a.yml", "b.yml"], Waiting()) as found:
        assert found.paths == ("a.yml", "b.yml")


def test_a_suite_in_a_bucket_is_named_alone():
    with pytest.raises(OptionError, match="name it alone"), local_suite(["s3://b/suites/shop", "x.yml"], Waiting()):
        pass


@pytest.mark.parametrize(
    ("text", "store_address", "name"),
    [("s3://b/suites/shop", "s3://b", "shop"), ("s3://b/team/x/suites/shop.2/", "s3://b/team/x", "shop.2")],
)
def test_the_address_of_a_suite_tells_its_store(text, store_address, name):
    assert address_of(text) == (store_address, name)


@pytest.mark.parametrize("text", ["s3://b/shop", "s3://b/suites/", "s3://b/suites/a/b"])
def test_another_address_is_refused(text):
    with pytest.raises(OptionError, match="expected s3://bucket/suites/<name>"):
        address_of(text)
