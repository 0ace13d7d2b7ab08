"""What a JMeter test plan brings along that a run has to know before it begins."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toril.suite.environment import REFERENCE

LARGEST = 20 * 2**20
LONGEST_NAME = 255  # bytes; a file system has no longer ones
GROUPS = re.compile(r"ThreadGroup|OpenModelThreadGroup|(com\.blazemeter|kg\.apc)\.jmeter\.threads\..+")
USERS = {"ThreadGroup.num_threads", "TargetLevel"}
RAMPS = {"ThreadGroup.ramp_time", "RampUp"}
NAMES_FILES = {"filename", "File.path", "BeanShellSampler.filename"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPlan:
    """The parts of a JMX that are enabled; empty where it cannot be read, which JMeter explains better."""

    __test__ = False  # for pytest
    groups: int = 0  # thread groups with users, beside those of setUp and tearDown
    ramps_s: tuple[str, ...] = ()  # theirs, numbers or expressions
    files: tuple[str, ...] = ()  # what it names to read from, or for a listener to write to
    data: tuple[str, ...] = ()  # those of them that a CSV Data Set has to have


def read_jmx(path: Path) -> TestPlan:
    """Names that only JMeter knows are left out."""
    try:
        if path.stat().st_size > LARGEST or b"<!ENTITY" in (text := path.read_bytes()).replace(b"\0", b""):
            return TestPlan()
        root = ET.fromstring(text)  # noqa: S314 - without entities of its own nothing grows
        data = _names((one for one in _walked(root) if one.tag == "CSVDataSet"), {"filename"})
    except (OSError, ET.ParseError, ValueError, RecursionError):
        return TestPlan()
    tree = root.find("hashTree/hashTree")
    groups = [one for one in (() if tree is None else tree) if GROUPS.fullmatch(one.tag) and _enabled(one)]
    groups = [group for group in groups if next(_texts(group, USERS), "1") != "0"]
    return TestPlan(
        groups=len(groups),
        ramps_s=tuple(_ramp(group) for group in groups),
        files=_names([root], NAMES_FILES),
        data=data,
    )


def _ramp(group: Any) -> str:
    written = next(_texts(group, RAMPS), "") or "0"
    minutes = next(_texts(group, {"Unit"}), "S") == "M"
    return str(float(written) * 60) if minutes and written.replace(".", "", 1).isdigit() else written


def _enabled(element: Any) -> bool:
    return bool(element.get("enabled", "true") != "false")


def _walked(tree: Any) -> Iterator[Any]:
    """The enabled elements of a hashTree; what belongs to an element is the hashTree after it."""
    skipped = False
    for element in tree:
        if element.tag != "hashTree":
            skipped = not _enabled(element)
            if not skipped:
                yield element
        elif not skipped:
            yield from _walked(element)


def _texts(element: Any, names: set[str]) -> Iterator[str]:
    for child in element.iter():
        if child.get("name") in names:
            yield (child.text or "").strip()


def _names(elements: Iterable[Any], properties: set[str]) -> tuple[str, ...]:
    found = (name for element in elements for name in _texts(element, properties))
    return tuple(
        name
        for name in dict.fromkeys(found)
        if name and not REFERENCE.search(name) and len(name.encode()) <= LONGEST_NAME
    )
