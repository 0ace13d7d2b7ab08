"""A pull request to the demo shop, with a shorter suite, and changes with and without regressions."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.workflows.acting import Acted
from tests.workflows.repository import Repository, project

SERVICE, SUITE_FILE = "loadtests/shop/service.py", "loadtests/shop/suite.yml"
# As the suite of the shop, except for its duration and the precision of the comparison.
SUITE = """execution:
- {scenario: browse, executor: locust, concurrency: 2, hold-for: 8s}
- {scenario: buy, executor: locust, concurrency: 12, hold-for: 8s}

scenarios:
  browse:
    default-address: ${SHOP_URL}
    think-time: 150ms
    requests:
    - {label: products, url: /products}
  buy:
    default-address: ${SHOP_URL}
    script: buy.py

toril:
  gate: true
  regression: {blocks: 6, block: 2s, labels: [checkout]}

reporting:
- module: passfail
  criteria:
  - p95 of checkout>300ms
  - fail of checkout>1%
"""
LINE = str(SUITE.splitlines().index("  - fail of checkout>1%") + 1)
CHECKED_OUT = '        return 201, {"order":'
OUT_OF_STOCK = '        if cart % 5 == 0:\n            return 500, {"error": "out of stock"}\n'
HARMLESS = {"loadtests/shop/README.md": "# A shop\n"}


def shop(folder: Path, *, with_base: bool = True, own_suite: bool = False, **more: Any) -> Repository:
    """Returns the project with that suite on main, and a pull request.

    The pull request has no changes yet; without a base to compare with, it adds the service.
    """
    made = project(folder, **more)
    service = made.text(SERVICE)
    if not own_suite:
        made.settle({SUITE_FILE: SUITE})
    if not with_base:
        made.settle({SERVICE: None})
    made.change({} if with_base else {SERVICE: service})
    return made


def slower(repository: Repository) -> dict[str, str]:
    """Returns a change that makes checkouts 400 ms slower."""
    text = repository.text(SERVICE)
    assert '"checkout": 60' in text
    return {SERVICE: text.replace('"checkout": 60', '"checkout": 460')}


def broken(repository: Repository) -> dict[str, str]:
    """Returns a change that also fails a fifth of checkouts, which a busy machine cannot cause."""
    text = slower(repository)[SERVICE]
    assert CHECKED_OUT in text
    return {SERVICE: text.replace(CHECKED_OUT, OUT_OF_STOCK + CHECKED_OUT)}


@dataclass(frozen=True, slots=True)
class Run:
    """The content of the artifact of a run."""

    folder: Path

    def json(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text())
        return found

    @property
    def verdict(self) -> dict[str, Any]:
        return self.json("verdict.json")

    def samples(self, arm: str = "head") -> tuple[int, int]:
        """Returns the minimum and maximum number of requests that the target answered."""
        whole = self.json("summary.json")["labels"][""]
        counted = whole["samples"]
        if self.verdict.get("comparison"):  # the figures are those of head, without its warm-up
            exits = [json.loads(path.read_text()) for path in self.folder.glob("workers/*/*/exit.json")]
            reports = [report for one in exits for report in one["executions"].items()]
            counted = sum(one["samples"] for name, one in reports if re.search(rf", {arm}( \d+)?$", name))
        return counted, counted + whole["unfinished"]


def runs(done: Acted) -> dict[str, Run]:
    """Returns `run` and `duet`, if the artifact has them."""
    found = [path.parent for path in done.artifact("runs-*").glob("*/plan.json")]
    return {"duet" if folder.name.endswith("-duet") else "run": Run(folder) for folder in found}


def answered(done: Acted) -> Counter[str]:
    """Returns the requests that the shops counted, for `head` and `base`."""
    counted: Counter[str] = Counter()
    for log in done.scratch.glob("shop-*.log"):
        found = re.search(r"^answered (\d+) requests", log.read_text(), re.MULTILINE)
        assert found, f"the {log.name} shop was not closed: {log.read_text()}"
        counted[log.name.split("-")[1]] += int(found[1])
    return counted


def assert_counted(done: Acted) -> None:
    """Compares the measurements with the counts of the shops, which may include abandoned requests."""
    found, counted = runs(done), answered(done)
    for arm in ("head", "base"):
        those = [run for name, run in found.items() if arm == "head" or name == "duet"]
        least, most = (sum(run.samples(arm)[end] for run in those) for end in (0, 1))
        assert least <= counted[arm] <= most, f"{arm}: {least} <= {counted[arm]} <= {most}"
    assert counted["head"] > 0
