"""docs/reference/engines.md and suite.md: the figures of their tables are the engines'."""

import importlib
import re
from pathlib import Path

from toril.suite import engines
from toril.worker.engines import ENGINES
from toril.worker.engines.generic import GenericEngine

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def table(page: str, header: str) -> list[list[str]]:
    """The rows of the table that begins with this header."""
    text = (REFERENCE / page).read_text()
    rows = text[text.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in rows]


def test_resolutions_are_those_of_the_engines():
    written = {name.lower(): resolution for name, _, resolution, *_ in table("engines.md", "| engine | what is timed")}
    for alias, module in ENGINES.items():
        us = importlib.import_module(module).Executor.resolution_us
        found = written.pop(alias)
        assert found.startswith("as its [format]") if isinstance(us, property) else found == f"{us} µs"
    assert written == {"others": f"{GenericEngine.resolution_us} µs"}


def test_a_worker_gets_the_load_that_the_page_says():
    written = {
        name: text for names, text in table("suite.md", "| executor | per worker |") for name in names.split(", ")
    }
    for engine in engines.ENGINES.values():
        expected = {engine.users_per_worker, engine.requests_per_core, engine.browsers_per_core} - {None}
        figures = {
            int(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,]*", written.get(engine.title, ""))
        }
        assert figures <= expected, engine.title
        assert bool(figures) == bool(expected)
