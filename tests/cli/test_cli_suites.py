"""`toril suites` and `toril baseline`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.reports import examples
from toril.cli import app
from toril.records import run_key
from toril.runs import suites
from toril.store import FolderStore

RUN = examples.passed().plan


def call(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "store")
    store.put(run_key(RUN.run_id, "plan.json"), RUN.to_json())
    for name in ("shop", "cart", "shop"):
        suites.save(store, name, {"suite.yml": b"a"}, by="ada", comment="", at=1.0, expected=None)
    return store


def test_suites_are_listed_with_their_current_version(store: FolderStore) -> None:
    found = json.loads(call("suites", "--store", str(store.folder), "--format", "json"))
    assert [(one["suite"], one["number"]) for one in found] == [("cart", 1), ("shop", 2)]
    versions = json.loads(call("suites", "shop", "--store", str(store.folder), "--format", "json"))
    assert [one["number"] for one in versions] == [2, 1]


def test_a_baseline_is_set_shown_and_cleared(store: FolderStore) -> None:
    there = ("--store", str(store.folder))
    assert call("baseline", "shop", "latest", *there).strip() == RUN.run_id
    assert call("baseline", "shop", *there).strip() == RUN.run_id
    call("baseline", "shop", "--clear", *there)
    assert RUN.run_id not in call("baseline", "shop", *there)
