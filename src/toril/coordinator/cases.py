"""The test cases that the workers of a functional run left in the store."""

from collections.abc import Mapping

from toril.coordinator.left import is_own, left_files
from toril.errors import StoreError
from toril.records import MOST_BYTES_OF_CASES, Case, Exit, case_file_name, decode_cases, worker_key
from toril.store import Store


def read_cases(
    store: Store, run_id: str, attempts: Mapping[str, str], exits: Mapping[str, Exit]
) -> tuple[list[Case], list[str]]:
    """All of them in the order of workers and files; and in words each file that is missing or damaged."""
    cases: list[Case] = []
    damaged: list[str] = []
    for worker, attempt in attempts.items():
        prefix, left = worker_key(run_id, worker, attempt, "tests-"), exits.get(worker)
        told = left.case_files if left else None
        for number, data, problem in left_files(store, prefix, 1, told, MOST_BYTES_OF_CASES, listed=True):
            try:
                if data is None:
                    raise StoreError(problem)
                key = worker_key(run_id, worker, attempt, case_file_name(number))
                file = decode_cases(data, key)
                if (file.worker, file.number) != (worker, number):
                    raise StoreError(f"{key} is a copy of another file")
                if left and not is_own(left.case_digests, number, data):
                    raise StoreError(f"{key} is not the file that its worker wrote")
                cases += file.cases
            except StoreError as error:
                damaged.append(str(error))
    return cases, damaged
