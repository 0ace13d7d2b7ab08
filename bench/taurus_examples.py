"""Plans every YAML block of Taurus' documentation and every example suite of its repository.

    git clone --depth 1 https://github.com/Blazemeter/taurus /tmp/taurus
    python bench/taurus_examples.py /tmp/taurus [--only refused]

Prints a line for each, `plans` or the code of the refusal with its message, and a count. A block may be a part of a
suite: it gets an execution, and empty files where it names some. The script fails if a block raises anything but a
refusal.
"""

import argparse
import copy
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from toril.errors import UserError
from toril.plan import make_plan
from toril.suite import read_suite

BLOCK = re.compile(r"^( *)```ya?ml\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"(?<![\w:/.}])(?:/home/user/|/path/to/|/full/path/to/|~/|/)(?=[\w.-]+)")
FILE = re.compile(r"[\w./-]+\.(?:\w{2,5})|[\w./-]+/")
NAMES = (
    "script",
    "path",
    "data-sources",
    "body-file",
    "files",
    "script-file",
    "data-file",
    "included-configs",
    "scenario",
)
JMX = '<jmeterTestPlan version="1.2"><hashTree><TestPlan/><hashTree/></hashTree></jmeterTestPlan>'
CONTENTS = {".csv": "user,password\nann,secret\n", ".jmx": JMX, ".yml": "{}", ".yaml": "{}", ".json": "{}"}
PAGES = {"PyTest": "pytest", "K6": "k6", "Postman": "newman", "ApacheBenchmark": "ab", "ResultsLoader": "jmeter"}
SCRIPTED = ("k6", "pytest", "robot", "junit")
TOOLS = "JMeter Gatling Locust Apiritif Selenium Playwright JUnit TestNG Mocha NUnit XUnit Robot Molotov Siege Tsung"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="Taurus' repository.")
    parser.add_argument("--only", choices=["plans", "refused", "crashed"], help="Print these only.")
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    for source, paths in [*examples(options.folder), *blocks(options.folder / "site" / "dat" / "docs")]:
        outcome, text = planned(paths)
        kind = outcome if outcome in ("plans", "crashed") else "refused"
        outcomes[kind] += 1
        outcomes[f"  {outcome}"] += kind == "refused"
        if options.only in (None, kind):
            print(f"{source:44} {outcome:20} {text}")
    print(*(f"{name:28} {count}" for name, count in outcomes.items()), sep="\n")
    return int(outcomes["crashed"] > 0)


def planned(path: Path) -> tuple[str, str]:
    """Returns `plans` and the plan in short, or the code of the refusal and its message."""
    try:
        suite = read_suite([path], env={}, system={})
        plan = make_plan(suite, run_id="example", workers=None)
    except UserError as error:
        return error.code, " ".join(str(error).split())
    except Exception:
        return "crashed", traceback.format_exc()
    notes = ", ".join(dict.fromkeys(note.code for note in suite.warnings))
    loads = ", ".join(f"{one.executor} {one.concurrency or one.throughput_rps or '–'}" for one in plan.executions)
    return "plans", f"{'functional: ' * suite.functional}{loads}{f' ({notes})' * bool(notes)}"


def examples(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields the example suites; other files in YAML have no executions."""
    for path in sorted((folder / "examples").rglob("*.y*ml")):
        if "execution" in path.read_text():
            yield str(path.relative_to(folder)), path


def blocks(docs: Path) -> Iterator[tuple[str, Path]]:
    """Yields each document of each block as a suite in a folder of its own."""
    for page in sorted(docs.glob("*.md")):
        if page.stem.startswith("Changelog"):
            continue
        text = page.read_text()
        for found in BLOCK.finditer(text):
            where = f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}"
            lines = [line.removeprefix(found[1]) for line in found[2].splitlines()]
            try:
                documents = list(yaml.safe_load_all(ELSEWHERE.sub("", "\n".join(lines))))
            except yaml.YAMLError as error:
                print(f"{where:44} {'no YAML':20} {str(error).splitlines()[0]}")
                continue
            for document in documents:
                if isinstance(document, dict):
                    yield where, suite_of(document, page.stem)


def suite_of(document: dict[str, Any], page: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="block-"))
    whole = copy.deepcopy(document)
    executor = PAGES.get(page) or (page.lower() if page in TOOLS.split() else "jmeter")
    if "execution" not in whole:
        executor = "selenium" if "actions" in str(whole) else executor  # which the page of Apiritif describes
        found = whole.setdefault("scenarios", {"any": {}})
        for scenario in found.values():
            if not {"requests", "script"} & set(scenario):
                scenario |= {"script": "load.js"} if executor in SCRIPTED else {"requests": ["http://localhost/"]}
        whole["execution"] = [{"scenario": name, "executor": executor} for name in found]
    for item in whole["execution"] if isinstance(whole["execution"], list) else [whole["execution"]]:
        if isinstance(item, dict) and "scenario" not in item:
            item["scenario"] = {"requests": ["http://localhost/"]}
        elif isinstance(item, dict) and isinstance(item["scenario"], str) and not FILE.fullmatch(item["scenario"]):
            whole.setdefault("scenarios", {}).setdefault(item["scenario"], {"requests": ["http://localhost/"]})
    for name in names(whole):
        place = folder / name
        if name.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        elif not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(CONTENTS.get(place.suffix, ""))
    (folder / "suite.yml").write_text(yaml.safe_dump(whole, sort_keys=False))
    return folder / "suite.yml"


def names(value: Any, key: str = "") -> Iterator[str]:
    """Yields the files that a document names."""
    if isinstance(value, dict):
        for inner, one in value.items():
            yield from names(one, str(inner))
    elif isinstance(value, list):
        for one in value:
            yield from names(one, key)
    elif isinstance(value, str) and key in NAMES and FILE.fullmatch(value) and "://" not in value:
        yield value


if __name__ == "__main__":
    sys.exit(main())
