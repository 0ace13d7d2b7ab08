"""Trends from a store: the runs that are read, and their age."""

import shutil
from dataclasses import replace

from tests.regression.series import NIGHT_S, nights
from tests.regression.test_trend import series
from toril.records.bisect import Bisect, BisectDuet
from toril.regression.trend import TrendQuery
from toril.runs.earlier import read_trend
from toril.runs.history import histories, remember
from toril.runs.index import all_rows, drawn
from toril.store import FolderStore

RECORDS = nights(series((20, 40), (6, 48)))
NOW = RECORDS[-1].started_at + 3_600


def of(store, **wanted):
    return read_trend(store, "shop", TrendQuery(**wanted), (), NOW)


def stored(tmp_path):
    store = FolderStore(tmp_path)
    for one in RECORDS:
        remember(store, one)
    return store


def test_a_trend_is_computed_from_stored_records(tmp_path):
    store = stored(tmp_path)
    remember(store, replace(RECORDS[3], outcome="inconclusive", reasons=("saturated",)))
    found = of(store)
    assert (found.suite, found.at, found.runs, found.outcome) == ("shop", NOW, 25, "regressed")
    assert found.groups[0].id == RECORDS[20].run_id
    assert [one.started_at for one in found.series[0].points] == [one.started_at for one in RECORDS]


def test_an_age_leaves_out_older_runs(tmp_path):
    found = of(stored(tmp_path), since_s=5.5 * NIGHT_S)
    assert (found.runs, found.outcome) == (6, "short")


def test_a_trend_has_runs_of_one_stage_by_default_that_of_the_newest_run(tmp_path):
    store = FolderStore(tmp_path)
    for place, one in enumerate(RECORDS):
        stage = ("", "staging")[place % 2]
        tags = {**one.tags, **({"stage": stage} if stage else {})}
        remember(store, replace(one, fingerprint=replace(one.fingerprint, stage=stage), tags=tags))
    newest, staged, plain, none = of(store), of(store, stage="staging"), of(store, stage=""), of(store, stage="dev")
    assert newest == staged and (staged.stage, plain.stage) == ("staging", "")
    assert [found.runs for found in (staged, plain, none)] == [13, 13, 0]
    assert len(staged.segments) == len(plain.segments) == 1
    assert {row.stage for row in drawn(all_rows(store))} == {"staging"}


def test_a_store_without_the_suite_has_a_short_trend(tmp_path):
    assert of(FolderStore(tmp_path)).outcome == "short"


def test_records_are_read_as_they_are_needed(tmp_path):
    newest = histories(stored(tmp_path), "shop", 5)
    assert [next(newest).run_id, next(newest).run_id] == [RECORDS[25].run_id, RECORDS[24].run_id]
    shutil.rmtree(tmp_path)
    assert len(list(newest)) == 3


def test_a_group_has_the_ended_search_between_its_commits(tmp_path):
    store = stored(tmp_path)
    (worse,) = (group for group in of(store).groups if group.worse)
    assert (worse.search, worse.commit) == ("", "")
    good, bad = (f"{commit:0<40}" for commit in (worse.from_commit, worse.to_commit))
    search = Bisect(
        suite="shop", good=good, commits=("f" * 40, bad), at=NOW, metric="p95", candidates=("f" * 40,),
        duets=(BisectDuet(commit=bad, run_id="one", change=0.2, spread=0.01, pairs=9),), probability=0.96,
    )  # fmt: skip
    for outcome, commit in ((None, ""), ("several", ""), ("found", "f" * 40)):
        ended = search.model_copy(update={"outcome": outcome})
        store.put(ended.key, ended.to_json())
        (found,) = (group for group in of(store).groups if group.worse)
        assert (bool(found.search), found.commit) == (outcome is not None, commit)
