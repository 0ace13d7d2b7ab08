"""The wording of each format: one golden file per format with every kind of run and of comparison.

To write the files again: python -m tests.reports.test_golden
"""

import re
from html import unescape
from pathlib import Path

import pytest

from tests.reports import gallery
from tests.reports.parsed import Page
from toril.reports import COMPARED, compared, render

FOLDER = Path(__file__).parent / "golden"
FILES = {
    "terminal": "terminal.txt",
    "github": "github.md",
    "html": "html.txt",
    "junit": "junit.xml",
    "annotations": "annotations.txt",
}
ELSEWHERE = {"hostile", "many labels", "attacked"}  # not about wording; other tests cover them


def written(name: str) -> str:
    runs = {run: render(name, gallery.run(run)) for run in gallery.RUNS if run not in ELSEWHERE}
    if name in COMPARED:
        pairs = {pair: map(gallery.run, names) for pair, names in gallery.PAIRS.items() if pair not in ELSEWHERE}
        runs |= {f"compared: {pair}": compared(name, *both) for pair, both in pairs.items()}
    parts = ((of, seen(data) if name == "html" else data.decode()) for of, data in runs.items())
    return "".join(f"===== {of} =====\n{text}\n" for of, text in parts)


def seen(data: bytes) -> str:
    """Returns the text of a page line by line, without its menu, then the lines of its charts."""
    text = data.decode().replace("\r", "")
    body = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL).partition("<main")[2].partition(">")[2]
    words = (" ".join(unescape(re.sub(r"<[^>]*>", " ", line)).split()) for line in body.splitlines())
    lines, found = [line for line in words if line], Page(data).data
    charts = [chart for name in ("pairs", "course", "scripts", "generators", "server") for chart in found[name]]
    for label in found["labels"][:1]:
        lines += [": ".join([label["name"], ", ".join(" ".join(figure) for figure in label["figures"])])]
        lines += [f"{count} × {error}" for error, count in label["errors"]]
        charts += label["charts"]
    for chart in charts:
        drawn = ", ".join(f"{line['name']} ({line['look']})" for line in chart["lines"])
        limits = [f"{mark['text']} {mark['outcome']} at {mark['at']:g}" for mark in chart["marks"]]
        lines.append(" | ".join(filter(None, [f"{chart['title']} [{chart['unit']}]", chart["note"], drawn, *limits])))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_run_equals_its_golden_file(name):
    assert written(name) == (FOLDER / FILES[name]).read_text()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for format, file in FILES.items():
        (FOLDER / file).write_text(written(format))
