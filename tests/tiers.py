"""Tiers of tests: when they run, and how many at a time. tests/README.md explains them."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

TIERS = ("unit", "live", "solo")
MARKERS = {
    "unit": "computes only; runs on all cores",
    "live": "starts engines, clouds or browsers, which mostly wait; six at a time, so it may not bound times",
    "solo": "bounds times that a busy machine would change; runs alone",
    "lasting": "survives every move of the code: LASTING in tests/tiers.py",
    "nightly": "left out of `make test`; `make test-all` runs it",
}

# The tier of each folder or file; the longest matching path counts. A marker on a test or in its file overrides it.
FOLDERS = {
    "tests": "unit",
    "tests/end_to_end": "live",
    "tests/fargate": "live",
    "tests/workflows": "live",
    **dict.fromkeys((f"tests/workflows/test_{name}.py" for name in ("action_docs", "rights", "shape")), "unit"),
}

# Folders that only `make test-all` runs: tests of the tests' own tools.
NIGHTLY = ("tests/cloud", "tests/infra/engine")

# What must stay green, and unchanged but for its imports, when modules move: it compares toril with the outside, with
# itself, or with what people see, and not with the shape of its code.
LASTING = {
    "oracles": (
        *(f"tests/verdict/test_{name}_oracle.py" for name in ("bzt", "numbers", "own", "windows")),
        "tests/criteria/test_corpus.py",
        "tests/pathological",
        "tests/stats",
    ),
    "laws": (
        "tests/infra/test_laws.py",
        "tests/store/test_store.py",
        "tests/verdict/test_criteria_laws.py",
        "tests/engines/test_engine_contract.py",
        "tests/engines/test_toril_law.py",
    ),
    "simulation": ("tests/simulation",),
    "golden wording": ("tests/reports/test_golden.py", "tests/verdict/test_golden.py"),
    "stored runs": ("tests/records/test_stored.py",),
    "end to end": ("tests/end_to_end", "tests/fargate", "tests/workflows"),
    "routes and roles": ("tests/console/test_attacks_on_identity.py",),
    "operations by face": ("tests/desk",),
}

# What `make quick` runs: folders and files of the unit tier that start no process and import little.
QUICK = ("tests/coordinator", "tests/regression", "tests/suite", "tests/summary", "tests/timeline")

# The examples of a property under each profile of Hypothesis. Every run has the same examples, since a test that fails
# sometimes is worse than one that always fails. `search` is for a search by hand.
PROFILES = {"quick": 10, "test": 40, "night": 200, "search": 10_000}
for name, count in PROFILES.items():
    settings.register_profile(name, max_examples=count, derandomize=name != "search", deadline=None)
# A planted mistake needs an example that fails, not the smallest one, which may take minutes.
settings.register_profile("mutants", settings.get_profile("test"), phases=(Phase.explicit, Phase.generate))


def examples(count: int, **options: Any) -> settings:
    """Returns the settings of a property with `count` examples, if other properties have 100. The profile scales it.

    Use it beside `@given`: `@examples(300)` means 120 under the profile `test` and 600 under `night`.
    """
    return settings(max_examples=max(5, count * settings().max_examples // 100), **options)


def by_day(rows: Iterable[Any], *, each: int = 0, only: Collection[Any] = ()) -> Sequence[Any]:
    """Returns the rows of `parametrize`; all but each n-th, or the named ones, are left out of `make test`.

    >>> [bool(row.marks) for row in by_day("abc", each=2)]
    [False, True, False]
    """

    def marks(number: int, row: Any) -> Any:
        return () if (row in only if only else number % each == 0) else pytest.mark.nightly

    return [
        pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=marks(number, row))
        for number, row in enumerate(rows)
    ]


def tier_of_path(path: str) -> str:
    """Returns the tier of a file of tests, whose path is relative to the project's root.

    >>> tier_of_path("tests/end_to_end/test_run.py")
    'live'
    """
    fitting = [folder for folder in FOLDERS if _is_in(path, folder)]
    return FOLDERS[max(fitting, key=len)] if fitting else "unit"


def tier_of_test(path: str, marks: Iterable[str]) -> str:
    """Returns the tier of a test: by its own marker, else by its file's marker, else by its folder."""
    return next((mark for mark in marks if mark in TIERS), None) or tier_of_path(path)


def is_nightly(path: str, marks: Collection[str]) -> bool:
    """Whether `make test` omits a test, by its marker or its folder."""
    return "nightly" in marks or any(_is_in(path, folder) for folder in NIGHTLY)


def is_lasting(path: str) -> bool:
    """Whether a test survives moves of the code unchanged."""
    return any(_is_in(path, one) for paths in LASTING.values() for one in paths)


def may_hold(file: Path, path: str, tier: str) -> bool:
    """Whether the file may have tests of the tier. Other files are not imported."""
    if tier == "quick":
        return any(_is_in(path, folder) for folder in QUICK)
    return tier_of_path(path) == tier or re.search(rf"mark\.{tier}\b", file.read_text("utf-8")) is not None


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
