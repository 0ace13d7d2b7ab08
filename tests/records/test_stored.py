"""Run folders of version 0.1.0 (November 2026) are judged again and reported, byte for byte.

After adding a field or changing a text, `python -m tests.records.test_stored` writes the new files.
"""

import json
import shutil
from pathlib import Path

import pytest

from toril.records import run_key
from toril.records.document import document
from toril.reports import render
from toril.runs.conclude import judge_again
from toril.runs.stored import judged
from toril.secrets.masking import masked
from toril.store import FolderStore

STORED = Path(__file__).parent / "stored"
RUNS = sorted(folder.name for folder in STORED.iterdir())
JUDGED = ("summary.json", "verdict.json")
LATER = 2e9


def copied(name: str, folder: Path) -> tuple[FolderStore, str]:
    """Returns a store with the run, and the run's id."""
    run_id = json.loads((STORED / name / "plan.json").read_text())["run_id"]
    shutil.copytree(STORED / name, folder / run_key(run_id))
    return FolderStore(folder), run_id


@pytest.mark.parametrize("name", RUNS)
def test_judging_a_stored_run_again_gives_the_same_files(name, tmp_path):
    store, run_id = copied(name, tmp_path)

    judge_again(store, run_id)

    for file in JUDGED:
        assert store.get(run_key(run_id, file)).decode() == (STORED / name / file).read_text()


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_run_is_reported_unchanged(name, tmp_path):
    store, run_id = copied(name, tmp_path)
    summary, verdict = (json.loads((STORED / name / file).read_bytes()) for file in JUDGED)

    found = render("json", judged(store, run_id, LATER))

    assert found == document(
        masked({"schema": "toril.report/1", "verdict": verdict, "summary": summary, "evidence": None})
    )


def test_fields_of_a_newer_version_are_reported(tmp_path):
    store, run_id = copied("complete", tmp_path)
    documents = {}
    for file in JUDGED:
        documents[file] = {**json.loads(store.get(run_key(run_id, file))), "newer": {"a": [1, None]}}
        store.put(run_key(run_id, file), document(documents[file]))

    found = json.loads(render("json", judged(store, run_id, LATER)))

    assert found["summary"] == masked(documents["summary.json"])
    assert found["verdict"] == masked(documents["verdict.json"])


if __name__ == "__main__":
    import tempfile

    for name in RUNS:
        with tempfile.TemporaryDirectory() as made:
            store, run_id = copied(name, Path(made))
            judge_again(store, run_id)
            for file in JUDGED:
                (STORED / name / file).write_bytes(store.get(run_key(run_id, file)))
