"""Where in which file each criterion of a suite is written, for reports that point at it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from toril.records import PlannedCriterion, SourcePlace
from toril.suite.document import LOADER

REPOSITORY = ".git"  # a folder, or a file where git keeps it elsewhere
ONE_OR_MANY = ("execution", "reporting", "criteria")  # Taurus takes one for a list of one
LONGEST_KEY = 60  # of a message in a criterion's `where`


class _Lines:
    """A file's values by path, and its texts; lines count from 1."""

    def __init__(self, path: Path) -> None:
        self.name = _name(path.absolute())
        self.by_path: dict[str, tuple[int, str | None]] = {}  # the line, and the text where it is one
        self.by_text: dict[str, int] = {}
        for place, node in _walked(path):
            line, text = node.start_mark.line + 1, node.value if isinstance(node, yaml.ScalarNode) else None
            self.by_path[place] = line, text
            if text is not None:
                self.by_text.setdefault(text, line)


def places_of(criteria: Iterable[PlannedCriterion], files: Sequence[Path]) -> dict[str, SourcePlace]:
    """A place for each criterion that is found in these files, by its `where`; later files go before earlier ones.

    A merged file or an override may have moved it: then it is looked for by its text.
    """
    read = [_Lines(path) for path in reversed(files)]
    found = {}
    for criterion in criteria:
        for lines in read:
            line = _line(criterion, lines, alone=len(read) == 1)
            if line is not None and lines.name is not None:
                found[criterion.where] = SourcePlace(file=lines.name, line=line)
                break
    return found


def _line(criterion: PlannedCriterion, lines: _Lines, *, alone: bool) -> int | None:
    """Of a text with a variable in it the place must do, and with several files that is sure of no text."""
    source = criterion.source
    if isinstance(source, dict) and len(source) == 1:  # a message and what it is about
        (source,) = source.values()
    text = source if isinstance(source, str) else None
    line, there = lines.by_path.get(criterion.where.partition(": ")[2], (None, None))
    if line is not None and (there == text or (there is None and text is None)):
        return line
    return lines.by_text.get(text or "", line if alone else None)


def _walked(path: Path) -> Iterator[tuple[str, yaml.Node]]:
    """Every value with its path in the document. The file was read before: what aliases expand to is bounded."""
    try:
        tops = list(yaml.compose_all(path.read_text("utf-8"), Loader=LOADER))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):  # JSON that is no YAML has no lines here
        return
    todo = [("", node) for node in reversed(tops) if node is not None]
    while todo:
        place, node = todo.pop()
        yield place, node
        if isinstance(node, yaml.SequenceNode):
            todo += [(f"{place}[{index}]", item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    todo += _under(place, key.value, value)


def _under(place: str, key: str, value: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    many = key in ONE_OR_MANY and not isinstance(value, yaml.SequenceNode)
    shown = key[:LONGEST_KEY] if place.endswith("criteria") else key
    inside = f"{place}.{shown}" if place else shown
    yield inside, value
    if many and not place.endswith("[0]"):
        yield f"{inside}[0]", value


def _name(path: Path) -> str | None:
    """From the root of the repository, or from where the command was called; None for a file that is in neither."""
    root = next((folder for folder in path.parents if (folder / REPOSITORY).exists()), Path.cwd())
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None
