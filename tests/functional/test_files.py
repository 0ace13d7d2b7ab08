"""Test cases on their way from an engine to the verdict: redacted, cut, complete or reported as damaged."""

import pytest

from tests.functional.tested import case, functional_plan
from tests.measured import START, left
from toril.coordinator.fold import Fold
from toril.engines import FoundCase
from toril.errors import StoreError
from toril.records import CaseFile, case_file_name, decode_cases, encode_cases, worker_key
from toril.store import FolderStore
from toril.worker.capture import MOST_CHARS, MOST_IN_A_FILE, CaseBook

CASES = (case("adds"), case("pays", "failed", message='half \\ud83d, "quoted"\nsecond line', trace="a\nb"))


def found(name="adds", **changes):
    return FoundCase(
        **{"name": name, "suite": "s", "outcome": "failed", "started_s": START + 1, "duration_us": 5} | changes
    )


def test_a_file_reads_back_as_it_was_written():
    file = CaseFile("local-1", 1, CASES)
    assert decode_cases(encode_cases(file), "key") == file


@pytest.mark.parametrize("cut", [0, 1, 40, -1, -30])
def test_a_cut_file_is_damaged_and_named(cut):
    data = encode_cases(CaseFile("local-1", 1, CASES))
    with pytest.raises(StoreError, match=r"^key is damaged|^key: no"):
        decode_cases(data[:cut], "key")


def test_a_file_of_another_version_is_refused():
    data = encode_cases(CaseFile("local-1", 1, CASES)).replace(b"toril.tests/1", b"toril.tests/2")
    with pytest.raises(StoreError, match="another version"):
        decode_cases(data, "key")


def test_secrets_are_redacted_before_texts_are_cut():
    book = CaseBook("local-1", lambda text: text.replace("hunter2", "***"))
    book.add("api", found(message="x" * (MOST_CHARS["message"] - 3) + "hunter2", trace="hunter2"), START)
    ((_, data),) = book.flush()
    (kept,) = decode_cases(data, "key").cases
    assert "hunter" not in kept.message + kept.trace
    assert len(kept.message) <= MOST_CHARS["message"] + 10


def test_a_lone_surrogate_is_escaped():
    book = CaseBook("local-1", str)
    book.add("api", found(message="half \ud83d"), START)
    ((_, data),) = book.flush()
    assert decode_cases(data, "key").cases[0].message == "half \\ud83d"


def test_many_test_cases_are_divided_into_numbered_files():
    book = CaseBook("local-1", str)
    for number in range(MOST_IN_A_FILE + 1):
        book.add("api", found(f"n{number}"), START)
    files = list(book.flush())
    assert [name for name, _ in files] == ["tests-000001", "tests-000002"]
    assert sum(len(decode_cases(data, name).cases) for name, data in files) == MOST_IN_A_FILE + 1
    assert (book.files, list(book.flush())) == (2, [])


def folded(folder, *files, case_files):
    store = FolderStore(folder)
    plan = functional_plan()
    key = lambda name: worker_key(plan.run_id, "local-1", "a", name)  # noqa: E731 - short
    for file in files:
        store.put(key(case_file_name(file.number)), encode_cases(file))
    store.put(key("exit.json"), left(case_files=case_files).to_json())
    fold = Fold(store, plan, {"local-1": "a"})
    fold.finish()
    fold.finish()  # a coordinator that takes the run over finishes again
    return fold


def test_the_files_of_a_worker_are_merged(tmp_path):
    fold = folded(tmp_path, CaseFile("local-1", 1, CASES[:1]), CaseFile("local-1", 2, CASES[1:]), case_files=2)
    assert (fold.cases, fold.damaged) == (list(CASES), [])


def test_a_missing_file_is_named_once(tmp_path):
    fold = folded(tmp_path, CaseFile("local-1", 1, CASES), case_files=2)
    assert len(fold.cases) == 2
    (damaged,) = fold.damaged
    assert damaged.endswith("tests-000002 is missing")


def test_a_file_of_another_worker_is_damaged(tmp_path):
    fold = folded(tmp_path, CaseFile("local-2", 1, CASES), case_files=1)
    assert fold.cases == []
    assert [file.count("tests-000001") for file in fold.damaged] == [1]
