"""Notes, baselines and audit lines: who did what, in the order of their times."""

import json

import pytest

from tests.measured import plan_of
from tests.refusals import refused
from toril.desk.runs import add_note, clear_baseline, set_baseline
from toril.errors import OptionError, StoreError
from toril.records import run_key
from toril.records.console import AuditLine
from toril.reports.differences import load_of
from toril.runs.notes import audit, baseline_of, notes_of
from toril.store import FolderStore

AT = 1_800_000_000.0


@pytest.fixture
def store(tmp_path) -> FolderStore:
    found = FolderStore(tmp_path)
    found.put(run_key("a-run", "plan.json"), plan_of().to_json())
    return found


def test_notes_are_kept_in_order_with_their_authors(store):
    written = [add_note(store, "a-run", f" note {number} ", by="anna", at=AT + number) for number in (2, 0, 1)]
    assert notes_of(store, "a-run") == sorted(written, key=lambda one: one.at)
    assert (written[0].text, written[0].by) == ("note 2", "anna")
    for text in ("", "  ", "x" * 4_001):
        with refused("invalid-note", error=OptionError):
            add_note(store, "a-run", text, by="anna", at=AT)
    with refused("no-such-run", error=StoreError):
        add_note(store, "other", "note", by="anna", at=AT)
    with refused("bad-key", error=StoreError):
        add_note(store, "../a-run", "note", by="anna", at=AT)


def test_a_suite_has_at_most_one_baseline(store):
    assert baseline_of(store, "shop") is None
    store.put(run_key("b-run", "plan.json"), plan_of().to_json())
    set_baseline(store, "shop", "a-run", by="anna", at=AT)
    assert set_baseline(store, "shop", "b-run", by="berta", at=AT + 1) == baseline_of(store, "shop")
    with refused("no-such-run", error=StoreError):
        set_baseline(store, "shop", "other", by="anna", at=AT)
    clear_baseline(store, "shop", by="carla", at=AT + 2)
    assert baseline_of(store, "shop") is None


def test_a_baseline_keeps_its_load_its_outcome_and_who_changed_it(store):
    store.put(run_key("b-run", "plan.json"), plan_of().to_json())
    for place, by in enumerate(("anna", "berta", "berta")):  # the last one changes nothing
        set_baseline(store, "shop", ("a-run", "b-run", "b-run")[place], by=by, at=AT + place)
    clear_baseline(store, "shop", by="carla", at=AT + 3)
    clear_baseline(store, "shop", by="dora", at=AT + 4)
    set_baseline(store, "shop", "a-run", by="anna", at=AT + 5)

    kept = baseline_of(store, "shop")

    assert kept is not None
    assert (kept.outcome, kept.load) == ("not judged", load_of(plan_of()))
    assert [(one.by, one.before, one.after) for one in kept.changes] == [
        ("anna", "", "a-run"), ("carla", "b-run", ""), ("berta", "a-run", "b-run"), ("anna", "", "a-run"),
    ]  # fmt: skip
    for place in range(30):
        set_baseline(store, "shop", ("b-run", "a-run")[place % 2], by="anna", at=AT + 10 + place)
    kept = baseline_of(store, "shop")
    assert kept is not None and len(kept.changes) == 20


def test_a_baseline_of_an_older_toril_is_read(store):
    old = {"schema": "toril.baseline/1", "suite": "shop", "run_id": "a-run", "at": AT, "by": "anna"}
    store.put("baselines/shop.json", json.dumps(old).encode())
    kept = baseline_of(store, "shop")
    assert kept is not None and (kept.run_id, kept.changes) == ("a-run", ())
    clear_baseline(store, "shop", by="berta", at=AT)
    kept = baseline_of(store, "shop", cleared=True)
    assert kept is not None and [one.before for one in kept.changes] == ["a-run"]


def test_a_try_is_no_baseline(store):
    store.put(run_key("a-try", "plan.json"), plan_of().model_copy(update={"tried": True}).to_json())
    with refused("try-run", error=OptionError):
        set_baseline(store, "shop", "a-try", by="anna", at=AT)


def test_the_audit_of_a_day_has_its_lines_alone(store):
    lines = [
        AuditLine(at=AT + day * 86_400, who="sub", name="Anna", role="operator", what="run.start", target="a-run")
        for day in range(3)
    ]
    for line in lines:
        audit(store, line)
    (key,) = store.keys("audit/2027-01-16/")
    assert AuditLine.from_json(store.get(key), key) == lines[1]
