"""Finds the files of a suite, and those of its JMX, as bzt does, but never outside the suite's folder."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from toril.suite.reader import REFERENCE, SuiteReader, quoted

# A larger folder is probably a repository: only the files that the suite names are copied.
MAX_FILES = 500
MAX_BYTES = 50 * 2**20
MAX_ROWS = 1000  # the largest number of workers
IGNORED = frozenset({"__pycache__", "node_modules", "venv", "site-packages", "jmeter.log", "bzt.log"})
PLAN_IN_STORE = "runs/*/plan.json"  # below a folder that `--store` named
WHEELS = "wheels"  # with the packages of `toril.python`; they are not copied with the suite's files
SUITE_NAMES = ("suite.yml", "suite.yaml", "suite.json")
SCRIPTS = frozenset({".py", ".js", ".mjs", ".ts"})
MAX_SCRIPT = 1_000_000  # characters
MAX_HEADER = 65_536  # characters
URL = re.compile(r"https?://", re.IGNORECASE)

MAX_JMX_BYTES = 20 * 2**20
MAX_NAME_BYTES = 255  # of a file system
THREAD_GROUPS = re.compile(r"ThreadGroup|OpenModelThreadGroup|(com\.blazemeter|kg\.apc)\.jmeter\.threads\..+")
JMX_USERS = {"ThreadGroup.num_threads", "TargetLevel"}
JMX_RAMPS = {"ThreadGroup.ramp_time", "RampUp"}
JMX_FILES = {"filename", "File.path", "BeanShellSampler.filename"}


class SuiteFiles:
    """The files that a suite names, as paths relative to its folder."""

    def __init__(self, folder: Path, searched: Sequence[Path], reader: SuiteReader, *, confined: bool = False) -> None:
        """`confined`: other files of this machine do not exist for the suite, not even in messages."""
        self.folder, self.confined = folder, confined
        self.searched = tuple(dict.fromkeys((folder, *searched)))
        self.reader = reader
        self.found: dict[Path, None] = {}

    def add(self, path: Path) -> None:
        """Adds a file to those that workers receive, if it is in the folder."""
        if (relative := self._inside(path)) is not None:
            self.found[relative] = None

    def find(self, written: object, path: str, *, kind: str) -> str:
        """Adds the file (or folder) at `path` of the suite; returns its path relative to the suite's folder.

        A URL, or a name with a reference that only the engine knows, stays unchanged.
        """
        if not isinstance(written, str) or not written:
            text = f"{quoted(written)} is not the path of a {kind}. Write a path relative to the suite's folder."
            raise self.reader.error("not-a-path", path, text)
        text = self.reader.environment.resolve(written)
        if URL.match(text):
            what = f"{quoted(text)} is an address. Each worker downloads the file itself."
            self.reader.warn("downloaded-by-workers", path, what)
            return written
        if REFERENCE.search(text):
            if kind == "script":
                self.reader.resolved(written, path, "Write the script's path.")
            return written
        there = self.existing(text)
        if there is None:
            text = f"The {kind} {quoted(text)} does not exist in {self.folder}. Correct the path, or add the file."
            raise self.reader.error("no-such-file", path, text)
        relative = self._inside(there)
        if relative is None:
            text = f"{quoted(text)} is outside the suite's folder {self.folder}. Move the file into the folder."
            raise self.reader.error("outside-folder", path, text)
        self._take(there, relative)
        return relative.as_posix()

    def existing(self, text: str) -> Path | None:
        """Returns the first existing path: in the suite's folder, in its other files' folders, in the current one."""
        for folder in self.searched:
            try:
                path = folder / Path(text).expanduser()
                if self.confined and self._inside(path) is None:
                    continue
                if path.exists():
                    return path
            except (OSError, ValueError, RuntimeError):  # too long, a NUL character, an unknown user's home
                return None
        return None

    def _inside(self, path: Path) -> Path | None:
        try:
            return path.resolve().relative_to(self.folder)
        except (OSError, ValueError, RuntimeError):
            return None

    def _take(self, there: Path, relative: Path) -> None:
        if there.is_dir():
            for file in _files_below(there.resolve()) or ():
                self.add(file)
            return
        self.found[relative] = None
        if there.suffix.lower() == ".robot":  # its libraries and resources are named by relative paths
            for file in _files_below(there.resolve().parent) or ():
                self.add(file)
        if there.suffix.lower() == ".jmx":
            for name in read_jmx(there).files:
                for folder in (there.parent, self.folder):
                    if (folder / name).is_file():
                        self.add(folder / name)

    def add_folder(self, without: Collection[str] = ()) -> None:
        """Adds all files of the folder unless it is too large, since scripts import files that no suite names.

        `without`: names of folders to leave out.
        """
        files = _files_below(self.folder, IGNORED.union(without))
        if files is None:
            size = f"{MAX_FILES} files or {MAX_BYTES // 2**20} MiB"
            what = f"It has more than {size}. Workers receive only the files that the suite names."
            self.reader.warn("large-folder", "the folder", what)
            return
        for file in files:
            self.add(file)

    def matching(self, pattern: str) -> list[str]:
        """Returns the files of the folder that match a pattern such as `plugins/*.jar`; none if it is too large."""
        names = sorted(file.relative_to(self.folder).as_posix() for file in _files_below(self.folder) or ())
        return [name for name in names if fnmatchcase(name, pattern)]

    def warn_of_left_behind(self) -> None:
        """Warns of files that a script names or imports, and that workers do not receive."""
        for script, relative in self._used_by_scripts(list(self.found)):
            if relative not in self.found and relative.parent == script.parent:
                fix = f"Name it under `files`, or make the suite a folder with a {SUITE_NAMES[0]}."
                what = f"{script} uses this file, but workers do not receive it. {fix}"
                self.reader.warn("left-behind", relative.as_posix(), what)

    def named(self) -> tuple[Path, ...]:
        """Returns the files so far, and those that their scripts name or import."""
        known = dict.fromkeys(self.found)
        while more := [used for _, used in self._used_by_scripts(list(known)) if used not in known]:
            known |= dict.fromkeys(more)
        return tuple(sorted(known))

    def _used_by_scripts(self, paths: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
        """Yields each script with each file, or file of a package, beside it that it names or imports."""
        for script in [path for path in paths if path.suffix in SCRIPTS]:
            text = (self.folder / script).read_text(errors="replace")[:MAX_SCRIPT]
            for beside in sorted((self.folder / script).parent.iterdir()):
                if beside.name.startswith(".") or beside.name in IGNORED:
                    continue
                module = beside.suffix == ".py" or beside.is_dir()
                name = re.escape(beside.stem if module else beside.name)
                used = rf"^\s*(?:from|import)\s+{name}\b" if module else rf"(?<![\w.-]){name}(?![\w.-])"
                if re.search(used, text, re.MULTILINE):
                    files = _files_below(beside) or () if beside.is_dir() else [beside]
                    yield from ((script, relative) for file in files if (relative := self._inside(file)) is not None)

    def header(self, source: Mapping[str, Any]) -> str | None:
        """Returns the first line of a data source; None if it is unreadable, or outside the suite's folder."""
        encoding = str(source.get("encoding") or "utf-8-sig")
        try:
            with (self.folder / str(source.get("path"))).open(encoding=encoding, errors="replace") as file:
                return file.readline(MAX_HEADER)
        except (OSError, ValueError, LookupError):
            return None

    def rows(self, path: str, most: float = MAX_ROWS) -> int:
        """Returns the number of records below a CSV file's header, counted up to `most`."""
        records, open_quote = 0, False
        try:
            with (self.folder / path).open("rb") as file:
                for line in file:
                    open_quote ^= line.count(b'"') % 2 == 1
                    records += not open_quote
                    if records > most:
                        break
        except OSError as error:
            text = f"`{path}` cannot be read. Name a CSV file."
            raise self.reader.error("unreadable-file", "toril.split-data", text) from error
        return max(0, records - 1)

    def sorted(self) -> tuple[Path, ...]:
        return tuple(sorted(self.found))


def _files_below(folder: Path, ignored: Collection[str] = IGNORED) -> Iterable[Path] | None:
    """Returns the regular files below a folder without hidden ones, caches and stores; None if there are too many."""
    files: list[Path] = []
    size = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in ignored and not any(Path(parent, name).glob(PLAN_IN_STORE))
        )
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or name in ignored or not path.is_file():
                continue
            size += path.stat().st_size
            files.append(path)
            if len(files) > MAX_FILES or size > MAX_BYTES:
                return None
    return files


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPlan:
    """The enabled parts of a JMX; empty if it is unreadable, which JMeter explains better."""

    __test__ = False  # pytest would collect the class
    groups: int = 0  # thread groups with users, without those of setUp and tearDown
    ramps_s: tuple[str, ...] = ()  # ramp-ups of the groups, numbers or expressions
    files: tuple[str, ...] = ()  # files to read, or to be written by a listener
    data: tuple[str, ...] = ()  # the files that CSV Data Sets need


def read_jmx(path: Path) -> TestPlan:
    """Returns the parts of a JMX that matter for a run, without names with references, which only JMeter resolves."""
    root = jmx_root(path)
    if root is None:
        return TestPlan()
    data = _names((element for element in walked(root) if element.tag == "CSVDataSet"), {"filename"})
    tree = root.find("hashTree/hashTree")
    groups = [node for node in (() if tree is None else tree) if THREAD_GROUPS.fullmatch(node.tag) and is_enabled(node)]
    groups = [group for group in groups if next(texts(group, JMX_USERS), "1") != "0"]
    return TestPlan(
        groups=len(groups),
        ramps_s=tuple(_ramp(group) for group in groups),
        files=_names([root], JMX_FILES),
        data=data,
    )


def jmx_root(path: Path) -> Any:
    """Returns the root element of a JMX; None if it is unreadable."""
    from xml.etree import ElementTree  # few suites have a JMX

    try:
        if path.stat().st_size > MAX_JMX_BYTES or b"<!ENTITY" in (text := path.read_bytes()).replace(b"\0", b""):
            return None
        root = ElementTree.fromstring(text)  # noqa: S314 - without entities of its own nothing grows
        sum(1 for _ in walked(root))  # it may be too deep
    except (OSError, ElementTree.ParseError, ValueError, RecursionError):
        return None
    return root


def _ramp(group: Any) -> str:
    written = next(texts(group, JMX_RAMPS), "") or "0"
    minutes = next(texts(group, {"Unit"}), "S") == "M"
    return str(float(written) * 60) if minutes and written.replace(".", "", 1).isdigit() else written


def is_enabled(element: Any) -> bool:
    """Returns whether an element of a JMX is enabled."""
    return bool(element.get("enabled", "true") != "false")


def walked(tree: Any) -> Iterator[Any]:
    """Yields the enabled elements of a hashTree. The children of an element are in the hashTree after it."""
    skipped = False
    for element in tree:
        if element.tag != "hashTree":
            skipped = not is_enabled(element)
            if not skipped:
                yield element
        elif not skipped:
            yield from walked(element)


def texts(element: Any, names: set[str]) -> Iterator[str]:
    """Yields the texts of an element's properties with these names."""
    for child in element.iter():
        if child.get("name") in names:
            yield (child.text or "").strip()


def _names(elements: Iterable[Any], properties: set[str]) -> tuple[str, ...]:
    names = (name for element in elements for name in texts(element, properties))
    return tuple(
        name
        for name in dict.fromkeys(names)
        if name and not REFERENCE.search(name) and len(name.encode()) <= MAX_NAME_BYTES
    )
