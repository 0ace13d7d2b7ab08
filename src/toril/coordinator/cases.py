"""The test cases that the workers of a functional run left in the store."""

from collections.abc import Mapping

from toril.errors import StoreError
from toril.records import Case, Exit, case_file_name, decode_cases, worker_key
from toril.store import Store


def read_cases(
    store: Store, run_id: str, attempts: Mapping[str, str], exits: Mapping[str, Exit]
) -> tuple[list[Case], list[str]]:
    """All of them in the order of workers and files; and in words each file that is missing or damaged."""
    cases: list[Case] = []
    damaged: list[str] = []
    for worker, attempt in attempts.items():
        prefix = worker_key(run_id, worker, attempt, "tests-")
        left = exits.get(worker)
        numbers = (key.rsplit("-", 1)[1] for key in store.keys(prefix))
        last = max([left.case_files if left else 0, *(int(number) for number in numbers if number.isdigit())])
        for number in range(1, last + 1):
            key = worker_key(run_id, worker, attempt, case_file_name(number))
            data = store.find(key)
            try:
                if data is None:
                    raise StoreError(f"{key} is missing")
                file = decode_cases(data, key)
                if (file.worker, file.number) != (worker, number):
                    raise StoreError(f"{key} is a file of {file.worker}, number {file.number}")
                cases += file.cases
            except StoreError as error:
                damaged.append(str(error))
    return cases, damaged
