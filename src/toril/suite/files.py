"""The files of a suite: found the way bzt finds them, never outside the suite's folder."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from toril.suite.door import Door, shown
from toril.suite.environment import REFERENCE
from toril.suite.jmx import read_jmx

MOST_FILES = (
    500  # a folder with more, or larger, is taken for a repository: only the files that the suite names are copied
)
MOST_BYTES = 50 * 2**20
MOST_ROWS = 1000  # as many as there can be workers
NOT_A_SUITES = frozenset({"__pycache__", "node_modules", "venv", "site-packages", "jmeter.log", "bzt.log"})
SUITE_NAMES = ("suite.yml", "suite.yaml", "suite.json")
LONGEST_SCRIPT = 1_000_000  # characters
LONGEST_HEADER = 65_536  # characters
URL = re.compile(r"https?://", re.IGNORECASE)


class Files:
    """What a suite names, as paths relative to its folder."""

    def __init__(self, folder: Path, searched: Sequence[Path], door: Door) -> None:
        self.folder = folder
        self.searched = tuple(dict.fromkeys((folder, *searched)))
        self.door = door
        self.found: dict[Path, None] = {}

    def add(self, path: Path) -> None:
        """Take a file along if it lies in the folder."""
        if (relative := self._inside(path)) is not None:
            self.found[relative] = None

    def find(self, written: object, path: str, *, kind: str) -> str:
        """The file (or folder) named at `path` of the suite, relative to the suite's folder, and taken along.

        A URL, or a name with a reference that only the engine knows, stays as it is written.
        """
        if not isinstance(written, str) or not written:
            raise self.door.error(
                path, f"{shown(written)}, not the path of a {kind}", "write one, relative to the suite's folder"
            )
        text = self.door.environment.resolve(written)
        if URL.match(text):
            self.door.warn(path, f"is an address: each worker downloads {shown(text)} for itself")
            return written
        if REFERENCE.search(text):
            if kind == "script":
                self.door.resolved(written, path, "write the script's path")
            return written
        there = self.existing(text)
        if there is None:
            raise self.door.error(
                path,
                f"{shown(text)}, a {kind} that does not exist in {self.folder}",
                "correct the path, or add the file",
            )
        relative = self._inside(there)
        if relative is None:
            raise self.door.error(
                path, f"{shown(text)}, outside the suite's folder {self.folder}", "move the file into it"
            )
        self._take(there, relative)
        return relative.as_posix()

    def existing(self, text: str) -> Path | None:
        """The first place that has it: the suite's folder, those of the other files, where the command was called."""
        for folder in self.searched:
            try:
                path = folder / Path(text).expanduser()
                if path.exists():
                    return path
            except (OSError, ValueError, RuntimeError):  # too long, a NUL character, nobody's home
                return None
        return None

    def _inside(self, path: Path) -> Path | None:
        try:
            return path.resolve().relative_to(self.folder)
        except (OSError, ValueError, RuntimeError):
            return None

    def _take(self, there: Path, relative: Path) -> None:
        if there.is_dir():
            for file in _below(there.resolve()) or ():
                self.add(file)
            return
        self.found[relative] = None
        if there.suffix.lower() == ".jmx":
            for name in read_jmx(there).files:
                for folder in (there.parent, self.folder):
                    if (folder / name).is_file():
                        self.add(folder / name)

    def add_folder(self) -> None:
        """Everything in the folder, if it is the size of a suite: scripts import and open what no suite names."""
        files = _below(self.folder)
        if files is None:
            self.door.warn(
                "the folder",
                f"holds over {MOST_FILES} files or {MOST_BYTES // 2**20} MiB: only files that the suite names go along",
            )
            return
        for file in files:
            self.add(file)

    def warn_of_left_behind(self) -> None:
        """Note files beside a Python script that it names or imports, and that do not go along."""
        for script in [path for path in self.found if path.suffix == ".py"]:
            text = (self.folder / script).read_text(errors="replace")[:LONGEST_SCRIPT]
            for beside in sorted((self.folder / script).parent.iterdir()):
                relative = self._inside(beside)
                if relative is None or relative in self.found or beside.name.startswith(".") or not beside.is_file():
                    continue
                name = re.escape(beside.stem if beside.suffix == ".py" else beside.name)
                used = rf"^\s*(?:from|import)\s+{name}\b" if beside.suffix == ".py" else rf"(?<![\w.-]){name}(?![\w.-])"
                if re.search(used, text, re.MULTILINE):
                    fix = f"name it under `files:`, or use a folder with a {SUITE_NAMES[0]}, all of which goes along"
                    self.door.warn(relative.as_posix(), f"is used by {script} and does not go along: {fix}")

    def header(self, source: Mapping[str, Any]) -> str | None:
        """The first line of a data source; None if it is not in the suite's folder, or cannot be read."""
        encoding = str(source.get("encoding") or "utf-8-sig")
        try:
            with (self.folder / str(source.get("path"))).open(encoding=encoding, errors="replace") as file:
                return file.readline(LONGEST_HEADER)
        except (OSError, ValueError, LookupError):
            return None

    def rows(self, path: str) -> int:
        """How many records a CSV file has below its header, counted up to `MOST_ROWS`."""
        records, open_quote = 0, False
        try:
            with (self.folder / path).open("rb") as file:
                for line in file:
                    open_quote ^= line.count(b'"') % 2 == 1
                    records += not open_quote
                    if records > MOST_ROWS:
                        break
        except OSError as error:
            raise self.door.error("toril.split-data", f"{path}, which cannot be read", "give a CSV file") from error
        return max(0, records - 1)

    def sorted(self) -> tuple[Path, ...]:
        return tuple(sorted(self.found))


def _below(folder: Path) -> Iterable[Path] | None:
    """The regular files below a folder, hidden ones and caches left out; None when there are too many."""
    files: list[Path] = []
    size = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in NOT_A_SUITES)
        for name in sorted(names):
            path = Path(parent, name)
            if name.startswith(".") or name in NOT_A_SUITES or not path.is_file():
                continue
            size += path.stat().st_size
            files.append(path)
            if len(files) > MOST_FILES or size > MOST_BYTES:
                return None
    return files
