"""Imports each file of a folder, and counts the suites, refusals and failures.

    python bench/imports.py FOLDER [--read] [--list] [--keep FOLDER]

The folder has public files, such as copies of repositories of HAR, OpenAPI, Postman and curl samples. `--read` only
reads them. `--list` prints each outcome. `--keep` keeps the suites, for a person to read. Any exception but a refusal
with a reason is a failure, and so is a suite that cannot be planned.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from toril.authoring import create
from toril.authoring.importing import suite_of
from toril.authoring.options import ImportOptions
from toril.authoring.readers import input_of, read, script_of
from toril.errors import OptionError, UserError

SLOW_S = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--read", action="store_true")
    parser.add_argument("--list", action="store_true", help="print the outcome of each file")
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    found: Counter[str] = Counter()
    failures = []
    for number, file in enumerate(sorted(path for path in asked.folder.rglob("*") if path.is_file())):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) if asked.keep is None else asked.keep / f"{number}-{file.stem}"
            outcome = outcome_of(file, None if asked.read else folder)
        took_s = time.perf_counter() - began
        found[outcome.partition(":")[0]] += 1
        if asked.list:
            print(f"{file}: {outcome}")
        if outcome.startswith("FAILED") or took_s > SLOW_S:
            failures.append(f"{file} ({took_s:.1f} s): {outcome}")
    for outcome, count in sorted(found.items()):
        print(f"| {outcome} | {count:,} |")
    print(*failures, sep="\n")
    return int(bool(failures))


def outcome_of(file: Path, folder: Path | None) -> str:
    """Returns the kind of the suite, the code of the refusal, or the failure."""
    options = ImportOptions(name="suite")
    recorded = None
    try:
        given = input_of(str(file))
        if kind := script_of(given):
            if folder is not None:
                create(replace(options, script=kind, file=file), folder)
            return kind
        recorded = read(given, options)
        if folder is not None:
            suite_of(recorded, None, options, folder)
        return recorded.kind
    except UserError as error:  # after a successful reading, every refusal but that of a secret is a failure
        refused = recorded is None or isinstance(error, OptionError)
        return f"refused {error.code}: {error}" if refused else f"FAILED {recorded.kind} {error.code}: {error}"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"FAILED {type(error).__name__}: {error} in {where.filename}:{where.lineno}"


if __name__ == "__main__":
    sys.exit(main())
