"""Lists and searches of the runs of a store, packed files, and the deletion of runs."""

import csv
import gzip
import io
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.launchers.scene import Scene
from tests.refusals import refused
from tests.reports import examples
from toril.cli import app
from toril.desk.runs import delete_run, prune
from toril.errors import StoreError
from toril.runs.activity import unfinished
from toril.runs.history import history, record_of, remember
from toril.runs.index import Query, all_rows, pack, search
from toril.runs.stored import fill, listing
from toril.store import FolderStore

DAY = 86400.0
NOW = 1_767_225_600.0  # 2026-01-01
RECORD = record_of(examples.passed())


class Killed(BaseException):
    """The process was killed."""


class Dying(FolderStore):
    """A store whose process dies after some changes; each deleted key is one."""

    def __init__(self, folder: Path, changes: int) -> None:
        super().__init__(folder)
        self.left = changes

    def put(self, key: str, data: bytes) -> None:
        super().put(key, data)
        self._changed()

    def put_once(self, key: str, data: bytes) -> bool:
        new = super().put_once(key, data)
        self._changed()
        return new

    def delete(self, prefix: str) -> None:
        super().delete(prefix)
        self._changed()

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            super().delete_many([key])
            self._changed()

    def _changed(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


def filled(folder: Path, count: int = 12) -> FolderStore:
    """A store with a judged run every five days up to now, the third of them judged twice; some rows are packed."""
    store = FolderStore(folder)
    for number in range(count):
        if number == 8:
            assert pack(store, NOW, 1) == 8 + 1
        record = replace(
            RECORD,
            run_id=f"r{number:02d}",
            started_at=NOW - (count - number) * 5 * DAY + 5 * DAY,
            suite=("shop", "api")[number % 2],
            outcome=("passed", "failed")[number % 3 == 0],
            tags={"commit": f"c{number}", "team": ("a", "b")[number % 2]},
        )
        store.put(f"runs/{record.run_id}/plan.json", b"{}")
        remember(store, record)
        if number == 2:
            remember(store, replace(record, outcome="inconclusive"))
    return store


def ids(rows) -> list[str]:
    return [row.run_id for row in rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), range(11, -1, -1)),
        (Query(suite="api"), (11, 9, 7, 5, 3, 1)),
        (Query(suite="ap"), ()),
        (Query(outcome="inconclusive"), (2,)),
        (Query(outcome="failed"), (9, 6, 3, 0)),
        (Query(text="R1"), (11, 10)),
        (Query(text="B"), (11, 9, 7, 5, 3, 1)),
        (Query(tags={"team": "b", "commit": "c3"}), (3,)),
        (Query(commit="c1"), (11, 10, 1)),
        (Query(kind="duet"), ()),
        (Query(location="madrid"), range(11, -1, -1)),
        (Query(location="lima"), ()),
        (Query(from_s=NOW - 6 * DAY), (11, 10)),
        (Query(to_s=NOW - 50 * DAY), (0,)),
    ],
)
def test_a_search_returns_the_matching_runs_newest_first(tmp_path, query, expected):
    assert ids(search(filled(tmp_path), query).rows) == [f"r{number:02d}" for number in expected]


def test_pages_have_each_run_once_while_new_runs_come(tmp_path):
    store = filled(tmp_path)
    wanted, found, cursor = ids(all_rows(store)), list[str](), ""
    while True:
        page = search(store, Query(), cursor=cursor, limit=5)
        found += ids(page.rows)
        cursor = page.cursor
        if not cursor:
            break
        remember(store, replace(RECORD, run_id=f"new-{len(found)}", started_at=NOW + len(found)))
    assert found == wanted


def test_only_old_rows_are_packed_into_one_file_a_month(tmp_path):
    store = filled(tmp_path)
    before = all_rows(store)
    assert pack(store, NOW, 1) == 3
    assert all_rows(store) == before
    packed = [key for key in store.keys("index/") if key.endswith(".gz")]
    assert len(packed) == len({key.split("/")[1] for key in packed})
    assert [key[-10:] for key in store.keys("index/") if key not in packed] == ["r11.1.json"]
    assert pack(store, NOW, 1) == 0


def test_an_interrupted_packing_loses_nothing(tmp_path):
    filled(tmp_path / "whole")
    for changes in range(100):
        folder = tmp_path / str(changes)
        shutil.copytree(tmp_path / "whole", folder)
        store, before = FolderStore(folder), all_rows(FolderStore(folder))
        try:
            pack(Dying(folder, changes), NOW, 1)
        except Killed:
            assert all_rows(store) == before
            pack(store, NOW, 0)
            assert all_rows(store) == before
        else:
            assert changes > 4
            return
    raise AssertionError("it never ends")


def test_a_reader_finds_all_rows_while_others_pack_them(tmp_path):
    expected = all_rows(filled(tmp_path))

    class Overtaken(FolderStore):
        """Its index is packed between the listing and the reading."""

        def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
            pack(FolderStore(tmp_path), NOW, 1)
            return super().find_many(keys, most)

        def address(self, key: str) -> str:
            return f"elsewhere/{super().address(key)}"  # nothing is in the cache

    assert all_rows(Overtaken(tmp_path)) == expected


def contents(store: FolderStore) -> bytes:
    """All keys and values, except the marks of deleted runs."""
    keys = [key for key in store.keys("") if not key.endswith(".deleted")]
    return b"\n".join(
        key.encode() + (gzip.decompress(store.get(key)) if key.endswith(".gz") else store.get(key)) for key in keys
    )


@pytest.mark.parametrize("run_id", ["r02", "r11"])
def test_a_deleted_run_leaves_nothing_even_if_the_deletion_is_interrupted(tmp_path, run_id):
    filled(tmp_path / "whole")
    for changes in range(100):
        folder = tmp_path / str(changes)
        shutil.copytree(tmp_path / "whole", folder)
        store = FolderStore(folder)
        others = [row for row in all_rows(store) if row.run_id != run_id]
        try:
            delete_run(Dying(folder, changes), run_id, NOW)
        except Killed:
            if run_id not in ids(all_rows(store)):
                assert f"runs/{run_id}" not in "\n".join(store.keys(""))
                pack(store, NOW, 0)
            else:
                delete_run(store, run_id, NOW)
            done = False
        else:
            done = True
        assert all_rows(store) == others
        assert run_id.encode() not in contents(store)
        if done:
            assert changes > 4
            return
    raise AssertionError("it never ends")


def test_a_concurrent_packing_does_not_bring_back_a_deleted_run(tmp_path):
    store = filled(tmp_path)
    (packed,) = [key for key in store.keys("index/2025-11/") if key.endswith(".gz")]
    data = store.get(packed)
    delete_run(store, "r02", NOW)
    store.put(packed, data)  # by another process, which read the index before
    assert "r02" not in ids(all_rows(store))
    pack(store, NOW, 0)
    assert b"r02" not in contents(store)


def test_a_running_run_is_not_deleted(tmp_path):
    one = Scene(tmp_path)
    found = []

    def attempt():
        with refused("run-not-over", error=StoreError):
            delete_run(one.store, one.plan.run_id, one.clock.now())
        found.extend(unfinished(one.store, one.clock.now()))

    one.at(10, attempt)
    one.run()
    assert [(run.row.run_id, run.state) for run in found] == [(one.plan.run_id, "running")]
    assert unfinished(one.store, one.clock.now()) == []
    delete_run(one.store, one.plan.run_id, one.clock.now())
    assert listing(one.store, one.clock.now()) == []
    assert [key for key in one.store.keys("") if not key.endswith(".deleted")] == []


def test_a_store_of_an_older_version_gets_its_history_from_its_runs(tmp_path):
    one = Scene(tmp_path)
    one.run()
    before = contents(one.store)
    one.store.delete("history/")
    one.store.delete("index/")
    assert fill(one.store, one.clock.now()) == 1
    assert contents(one.store) == before
    assert fill(one.store, one.clock.now()) == 0


def test_a_pruned_run_stays_in_the_history(tmp_path):
    one = Scene(tmp_path)
    one.run()
    one.clock.sleep(DAY)
    assert prune(one.store, timedelta(hours=1), one.clock.now())[0] == [one.plan.run_id]
    (found,) = listing(one.store, one.clock.now())
    assert (found.state, found.deleted) == ("passed", True)
    assert len(history(one.store, one.plan.suite, 9)) == 1


def listed(folder: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["runs", "--store", str(folder), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_lists_chosen_runs_as_json_and_csv(tmp_path):
    filled(tmp_path)
    options = ("--suite", "shop", "--tag", "team=a", "--outcome", "passed", "--limit", "2")
    rows = json.loads(listed(tmp_path, *options, "--format", "json"))
    assert [(row["run_id"], row["state"]) for row in rows] == [("r10", "passed"), ("r08", "passed")]
    assert rows[0]["started_at"] == "2025-12-27T00:00:00+00:00"
    table = list(csv.DictReader(io.StringIO(listed(tmp_path, *options, "--format", "csv"))))
    assert [row["run_id"] for row in table] == ["r10", "r08"]
    assert list(table[0]) == list(rows[0])
    assert table[0]["tags"] == "commit=c10 team=a"
    assert "r00" in listed(tmp_path)
