"""Finds the companions of a script or Taurus file: the files in its folder that it names."""

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from toril.errors import Note, OptionError
from toril.secrets.masking import mask
from toril.suite import read_suite
from toril.suite.files import SUITE_NAMES, read_jmx

MISSING = "does not exist"
MAX_NAME = 256  # characters of a text that may be a file name
SOURCES = (".js", ".mjs", ".ts", ".scala", ".java")  # of k6 and Gatling
QUOTED = re.compile(r"""(["'`])((?:(?!\1)[^\\\n]){1,256})\1""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """Files by their names in the new folder, and notes about files that are not copied."""

    files: Mapping[PurePosixPath, Path]
    notes: tuple[Note, ...] = ()


def of_jmx(file: Path) -> Companions:
    """Returns a JMX and the files that it reads: CSV files, scripts, included plans."""
    files, notes = {PurePosixPath(file.name): file}, []
    for name in read_jmx(file).files:
        if why := _exclusion_reason(file.parent, name):
            notes.append(_note(file, name, why))
        else:
            files[PurePosixPath(name)] = file.parent / name
    return Companions(files=files, notes=tuple(notes))


def of_script(file: Path) -> Companions:
    """Returns a script, its imports from its own folder, and the files there that its texts name."""
    files: dict[PurePosixPath, Path] = {}
    notes: dict[Note, None] = {}
    waiting = [file.name]
    while waiting:
        inner = PurePosixPath(waiting.pop())
        if inner in files:
            continue
        files[inner] = there = file.parent / inner
        for name in _named_in(there, inner.parent):
            why = _exclusion_reason(file.parent, name)
            if not why:
                waiting.append(name)
            elif why != MISSING:  # most texts are not file names
                notes[_note(there, name, why)] = None
    return Companions(files=files, notes=tuple(notes))


def has_shape(file: Path | None) -> bool:
    """Returns whether the file is a locustfile with its own load."""
    return file is not None and file.suffix == ".py" and b"LoadTestShape" in file.read_bytes()


def _note(file: Path, name: str, why: str) -> Note:
    return Note("left-behind", f"{file.name}: `{mask(name)[:100]}` {why}, so it is not copied")


def _exclusion_reason(folder: Path, name: str) -> str:
    """Returns why a file is not copied; empty if it is."""
    path = Path(name)
    try:
        if not (folder / path).is_file():
            return MISSING
    except (OSError, ValueError):  # the text cannot be a file name
        return MISSING
    if path.is_absolute() or ".." in path.parts:
        return "is not below the folder of the script"
    if any(part.startswith(".") for part in path.parts):
        return "is hidden and may be a secret"
    return "" if (folder / path).resolve().is_relative_to(folder.resolve()) else "is a link to another folder"


def _named_in(file: Path, package: PurePosixPath) -> Iterator[str]:
    """Yields the texts of a script that could be file names, relative to the folder of the first script."""
    if file.suffix == ".py":
        yield from _named_in_python(file, package)
    elif file.suffix in SOURCES:
        for match in QUOTED.finditer(file.read_text(encoding="utf-8", errors="replace")):
            yield match[2]
            if str(package) != "." or match[2].startswith("."):  # imports are relative to their own file
                yield posixpath.normpath(package / match[2])


def _named_in_python(file: Path, package: PurePosixPath) -> Iterator[str]:
    """Yields imported modules as files, and all texts that could be file names."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        text = f"{file}: line {line}: invalid Python: {getattr(error, 'msg', error)}. Correct the script."
        raise OptionError(text, code="not-python") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < MAX_NAME:
            yield node.value
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            parts = package.parts[: len(package.parts) - node.level + 1] if node.level else ()
            for alias in node.names:
                yield from _modules([*parts, *(node.module or "").split("."), alias.name])


def _modules(parts: list[str]) -> Iterator[str]:
    """Yields `a.b.c` as a.py, a/__init__.py, a/b.py, …"""
    names = [part for part in parts if part]
    for count in range(1, len(names) + 1):
        path = "/".join(names[:count])
        yield f"{path}.py"
        yield f"{path}/__init__.py"


def of_taurus(file: Path) -> Companions:
    """Returns a Taurus file, renamed to suite.yml or suite.json, and all files that its workers need."""
    suite = read_suite([file])
    files = {PurePosixPath(relative.as_posix()): suite.folder / relative for relative in suite.files}
    if file.name in SUITE_NAMES:  # its whole folder is copied
        return Companions(files=files)
    notes: list[Note] = []
    for inner in [inner for inner in files if inner.suffix == ".py"]:
        beside = of_script(files[inner])
        files |= {inner.parent / name: there for name, there in beside.files.items()}
        notes += beside.notes
    del files[PurePosixPath(file.name)]
    own = PurePosixPath(f"suite{file.suffix.lower()}")
    if own in files:
        text = f"{file}: the suite needs the name {own}, but also uses a file of that name. Rename that file."
        raise OptionError(text, code="colliding-names")
    return Companions(files={own: file, **files}, notes=tuple(notes))
