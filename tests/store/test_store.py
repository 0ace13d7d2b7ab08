"""The behaviour of every store, in a folder and in a bucket."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.cloud.embedded import Cloud
from tests.refusals import refused
from tests.tiers import examples
from toril.errors import OptionError, StoreError
from toril.store import FolderStore, RunFolder, Store, open_store
from toril.store.s3 import S3Store

NUMBERS = count()
AT_ONCE = 8
KEYS = st.sampled_from(["runs/a/1", "runs/a/2", "runs/a b/é", "runs/aa/1", "runs/a/w/1", "top", "runs-1"])
VALUES = st.sampled_from([b"", b"1", b"2", b"\x00" * 3])
PREFIXES = st.sampled_from(["", "runs/", "runs/a", "runs/a/", "none/", "t"])
OPERATIONS = st.one_of(
    st.tuples(st.sampled_from(["put", "put_once"]), KEYS, VALUES),
    st.tuples(st.just("swap"), KEYS, VALUES, st.booleans()),
    st.tuples(st.sampled_from(["find", "get"]), KEYS),
    st.tuples(st.just("keys"), PREFIXES),
    st.tuples(st.just("delete_many"), st.lists(KEYS, max_size=4)),
    st.tuples(st.just("delete"), st.sampled_from(["runs/a/", "runs/", "none/"])),
)

KINDS = ["folder", "bucket"]


def new_bucket(cloud: Cloud, prefix: str = "") -> S3Store:
    """An empty bucket."""
    name, client = f"store-{next(NUMBERS)}", cloud.client("s3")
    client.create_bucket(Bucket=name)
    return S3Store(name, prefix, client)


@pytest.fixture(params=KINDS)
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes an empty store."""
    if request.param == "folder":
        return lambda: FolderStore(tmp_path / str(next(NUMBERS)))
    cloud = request.getfixturevalue("open_cloud")
    return lambda: new_bucket(cloud, "of/others")


@pytest.fixture
def store(new: Callable[[], Store]) -> Store:
    return new()


def test_a_written_value_can_be_read(store: Store) -> None:
    store.put("runs/r/plan.json", b"{}")
    assert store.get("runs/r/plan.json") == b"{}"
    assert store.find("runs/r/stop.json") is None
    with refused("no-such-key", "runs/r/stop.json", error=StoreError):
        store.get("runs/r/stop.json")


def test_a_long_value_is_read_up_to_one_byte_above_the_limit(store: Store) -> None:
    store.put("long", b"x" * 100_000)
    assert [len(store.find("long", most) or b"") for most in (0, 99, 99_999, 100_000, 1 << 20)] == [
        1, 100, 100_000, 100_000, 100_000
    ]  # fmt: skip
    assert {key: len(data) for key, data in store.find_many(["long", "none"], 10).items()} == {"long": 11}
    assert store.get("long") == b"x" * 100_000


def test_entries_have_sizes_and_times_of_the_stores_clock(store: Store) -> None:
    at, uncertain_s = store.time()
    store.put("runs/r/a", b"12345")
    store.put("runs/r/b", b"")
    store.put("runs/s", b"1")
    found = list(store.entries("runs/r/"))
    assert [(one.key, one.size) for one in found] == [("runs/r/a", 5), ("runs/r/b", 0)]
    assert [one.key for one in store.entries("runs/", after="runs/r/a")] == ["runs/r/b", "runs/s"]
    assert all(abs(one.modified_at - at) < 60 + uncertain_s for one in found)


def test_a_folder_store_tolerates_entries_that_are_not_files(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put("a/b/c", b"")
    os.mkfifo(tmp_path / "a" / "pipe")
    (tmp_path / "a" / "line\nfeed").touch()
    assert store.find("a/b") is None
    assert store.find("a/pipe", most=10) == b""
    assert list(store.keys("a/")) == ["a/b/c", "a/pipe"]


def test_a_write_once_key_keeps_its_first_value(store: Store) -> None:
    assert store.put_once("runs/r/start.json", b"first")
    assert not store.put_once("runs/r/start.json", b"second")
    assert not store.put_once("runs/r/start.json", b"first")
    assert store.get("runs/r/start.json") == b"first"


def test_find_many_returns_existing_values_only(store: Store) -> None:
    keys = [f"runs/r/{number}" for number in range(100)]
    for key in keys[::2]:
        store.put(key, key.encode())
    assert store.find_many(keys) == {key: key.encode() for key in keys[::2]}
    assert store.find_many([]) == {}


def test_a_swap_needs_the_current_version(store: Store) -> None:
    first = store.swap("runs/r/lease.json", b"1", None)
    assert first is not None
    assert store.swap("runs/r/lease.json", b"other", None) is None
    second = store.swap("runs/r/lease.json", b"2", first)
    assert second is not None
    assert store.swap("runs/r/lease.json", b"other", first) is None
    assert store.find_version("runs/r/lease.json") == (b"2", second)
    assert store.swap("runs/never", b"1", first) is None
    assert store.find("runs/never") is None


def test_equal_values_in_a_folder_have_different_versions(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    versions = [store.swap("lease", b"0", None)]
    for number in range(1, 100):
        versions.append(store.swap("lease", b"%d" % (number % 2), versions[-1]))
    assert None not in versions
    assert len(set(versions)) == 100


def test_keys_are_sorted_and_limited_to_their_prefix(store: Store) -> None:
    for key in ("runs/b/2", "runs/b/1", "runs/a/1", "runs/bb/1", "runs/b-1", "runs/Ünder", "runs/𝄞"):
        store.put(key, b"")
    assert list(store.keys("runs/b/")) == ["runs/b/1", "runs/b/2"]
    assert list(store.keys("runs/b")) == ["runs/b-1", "runs/b/1", "runs/b/2", "runs/bb/1"]
    assert list(store.keys("")) == sorted(store.keys(""))
    assert store.names("runs/") == ["a", "b", "bb"]
    assert store.names("") == ["runs"]
    assert store.names("none/") == []


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "a\nb", "a\\b", "a\udc80"])
def test_a_key_cannot_leave_the_store(store: Store, key: str) -> None:
    for use in (lambda: store.put(key, b""), lambda: store.put_once(key, b""), lambda: store.find(key)):
        with refused("bad-key", error=StoreError):
            use()


def test_keys_may_have_spaces_and_accents(store: Store) -> None:
    store.put("runs/r/suite/Prüfung + der 100 % Kasse?.jmx", b"x")
    assert list(store.keys("runs/")) == ["runs/r/suite/Prüfung + der 100 % Kasse?.jmx"]
    assert store.get("runs/r/suite/Prüfung + der 100 % Kasse?.jmx") == b"x"


def test_deleting_a_run_keeps_other_runs(store: Store) -> None:
    store.put("runs/r/plan.json", b"")
    store.put("runs/r2/plan.json", b"")
    store.delete("runs/r/")
    store.delete("runs/never/")
    assert list(store.keys("runs/")) == ["runs/r2/plan.json"]
    for prefix in ("runs", "", "/", "../"):
        with refused("bad-key", error=StoreError):
            store.delete(prefix)
    assert list(store.keys("runs/")) == ["runs/r2/plan.json"]


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, max_size=25))
def test_a_store_behaves_like_a_mapping(new: Callable[[], Store], operations: list[tuple[Any, ...]]) -> None:
    store, model = new(), dict[str, bytes]()
    for operation, key, *more in operations:
        match operation:
            case "put":
                store.put(key, *more)
                model[key] = more[0]
            case "put_once":
                assert store.put_once(key, *more) == (key not in model)
                model.setdefault(key, more[0])
            case "swap":
                data, known = more
                found = store.find_version(key) if known else None
                made = store.swap(key, data, found[1] if found else None)
                assert (made is not None) == (known or key not in model)
                if made is not None:
                    model[key] = data
                    assert store.find_version(key) == (data, made)
            case "find":
                assert store.find(key) == model.get(key)
            case "get" if key in model:
                assert store.get(key) == model[key]
            case "keys":
                assert list(store.keys(key)) == sorted(one for one in model if one.startswith(key))
            case "delete_many":
                store.delete_many(key)
                model = {one: data for one, data in model.items() if one not in key}
            case "delete":
                store.delete(key)
                model = {one: data for one, data in model.items() if not one.startswith(key)}
    assert {key: store.get(key) for key in store.keys("")} == model == store.find_many(model)


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """Makes the calls in parallel threads. Returns their results."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: call(), calls))


def test_of_concurrent_put_once_calls_exactly_one_succeeds(store: Store) -> None:
    for number in range(5):
        key = f"start-{number}"
        wrote = together([partial(store.put_once, key, b"%d" % who) for who in range(AT_ONCE)])
        assert [who for who in range(AT_ONCE) if wrote[who]] == [int(store.get(key))]


def test_of_concurrent_put_once_calls_with_equal_data_exactly_one_succeeds(store: Store) -> None:
    assert sum(together([partial(store.put_once, "start", b"same")] * AT_ONCE)) == 1


def test_of_concurrent_swaps_exactly_one_succeeds(store: Store) -> None:
    version = store.swap("lease", b"nobody", None)
    for term in range(5):
        values = [b"%d: %d" % (term, who) for who in range(AT_ONCE)]  # unique, because equal values have equal versions
        made = together([partial(store.swap, "lease", value, version) for value in values])
        (winner,) = [who for who in range(AT_ONCE) if made[who] is not None]
        version = made[winner]
        assert store.find_version("lease") == (values[winner], version)


class MeetingStore(FolderStore):
    """A store whose swaps, after they have read the version, wait a moment for another one to read it, too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.barrier = threading.Barrier(2)

    def find_version(self, key: str) -> tuple[bytes, str] | None:
        found = super().find_version(key)
        with suppress(threading.BrokenBarrierError):  # nobody came
            self.barrier.wait(0.2)
        return found


def test_a_swap_in_a_folder_waits_until_another_one_is_done(tmp_path: Path) -> None:
    version = FolderStore(tmp_path).swap("lease", b"nobody", None)
    store = MeetingStore(tmp_path)
    made = together([partial(store.swap, "lease", value, version) for value in (b"one", b"two")])
    assert made.count(None) == 1


COUNTING = """
import sys
from pathlib import Path
from toril.store import FolderStore
store, won = FolderStore(Path(sys.argv[1])), 0
while won < 50:
    data, version = store.find_version("count")
    won += store.swap("count", b"%d" % (int(data) + 1), version) is not None
"""


def test_concurrent_swaps_of_processes_lose_no_update(tmp_path: Path) -> None:
    FolderStore(tmp_path).put("count", b"0")
    counting = [subprocess.Popen([sys.executable, "-c", COUNTING, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(60) for process in counting] == [0] * 4
    assert FolderStore(tmp_path).get("count") == b"200"


def test_a_store_returns_the_address_of_a_value(tmp_path: Path, open_cloud: Cloud) -> None:
    bucket = new_bucket(open_cloud, "nightly")
    assert bucket.address("runs/r/report.html") == f"s3://{bucket.bucket}/nightly/runs/r/report.html"
    assert FolderStore(tmp_path).address("runs/r/report.html") == str(tmp_path / "runs/r/report.html")


# ── a folder


def test_temporary_files_are_not_keys(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".tmp-half").write_bytes(b"half")
    assert list(FolderStore(tmp_path).keys("runs/")) == []


def test_an_unwritable_store_is_an_error_with_place_and_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with refused("unwritable-store", str(tmp_path / "file"), "--store", error=StoreError):
        FolderStore(tmp_path / "file").put("runs/r", b"")


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "runs" / "r" / "summary.json").mkdir(parents=True)
    with refused("unwritable-store", "summary.json", error=StoreError):
        FolderStore(tmp_path).put("runs/r/summary.json", b"{}")
    assert [path.name for path in (tmp_path / "runs" / "r").iterdir()] == ["summary.json"]


def test_a_swap_leaves_no_temporary_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    version = store.swap("lease", b"1", None)
    assert store.swap("lease", b"2", version)
    assert store.swap("lease", b"3", version) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-lock", "lease"]
    assert list(store.keys("")) == ["lease"]


def test_the_folder_of_a_run_is_a_store_with_one_run(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(b"{}")
    store = RunFolder(tmp_path, "r")
    assert store.names("runs/") == ["r"]
    assert store.find_many(["runs/r/plan.json", "runs/r/stop.json"]) == {"runs/r/plan.json": b"{}"}
    assert store.swap("runs/r/lease.json", b"1", None)
    assert list(store.keys("runs/")) == ["runs/r/lease.json", "runs/r/plan.json"]


# ── addresses


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, open_cloud: Cloud) -> Iterator[Cloud]:
    """Sets the embedded cloud's environment for this process."""
    for name, value in open_cloud.environment(AWS_REGION="eu-west-1").items():
        monkeypatch.setenv(name, value)
    yield open_cloud


def test_a_bucket_is_opened_by_its_address(settled: Cloud) -> None:
    made = new_bucket(settled, "of/a/team")
    made.put("runs/r/plan.json", b"{}")
    for address in (f"s3://{made.bucket}/of/a/team", f"s3://{made.bucket}/of/a/team/"):
        assert open_store(address).get("runs/r/plan.json") == b"{}"
    assert list(open_store(f"s3://{made.bucket}").keys("")) == ["of/a/team/runs/r/plan.json"]


@pytest.mark.parametrize("address", ["s3://", "s3://Bucket", "s3:///runs", "s3://bucket/a/../b", "s3://bucket/a//b"])
def test_an_invalid_bucket_address_is_refused(address: str) -> None:
    with refused("bad-store", address, error=OptionError):
        open_store(address)


def test_an_address_with_another_scheme_is_refused() -> None:
    with refused("bad-store", "ftp://x", error=OptionError):
        open_store("ftp://x")


@pytest.mark.parametrize("address", ["", " "])
def test_an_empty_address_is_refused(address: str) -> None:
    with refused("bad-store", error=OptionError):
        open_store(address)


def test_the_path_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with refused("bad-store", str(tmp_path / "file"), error=OptionError):
        open_store(str(tmp_path / "file"))


def test_pipes_and_devices_are_errors_and_do_not_block(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    os.mkfifo(tmp_path / "runs" / "fifo")
    (tmp_path / "runs" / "device").symlink_to("/dev/zero")
    for name in ("fifo", "device"):
        with refused("not-a-file", name, error=StoreError):
            FolderStore(tmp_path).find(f"runs/{name}")


def test_a_record_is_synced_before_it_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_size)
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    store = FolderStore(tmp_path)
    store.put("runs/r/summary.json", b"1")
    store.put_once("runs/r/plan.json", b"22")
    store.swap("runs/r/lease.json", b"333", None)
    store.put_once("runs/r/workers/w/a/intervals-000001", b"4444")
    assert synced == [1, 2, 3]


def test_folders_of_a_store_are_private(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    FolderStore(there / "store").put("runs/r/plan.json", b"1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in there.rglob("*")}
    assert modes == {"store": 0o700, "runs": 0o700, "r": 0o700, "plan.json": 0o600}
    assert stat.S_IMODE(there.stat().st_mode) == 0o755
