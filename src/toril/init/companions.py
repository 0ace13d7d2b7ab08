"""What a file takes along into the suite's folder: each file beside it, or below, that it names."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from toril.errors import OptionError
from toril.masking import mask
from toril.suite import read_suite
from toril.suite.files import SUITE_NAMES, named_in_jmx


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """Files by where they lie in the new folder, and what is worth saying about those that don't."""

    files: Mapping[PurePosixPath, Path]
    notes: tuple[str, ...] = ()


def of_jmx(file: Path) -> Companions:
    """A JMX and what it reads: CSV files, scripts, included plans."""
    files, notes = {PurePosixPath(file.name): file}, []
    for name in named_in_jmx(file):
        why = "is not there" if not (file.parent / name).is_file() else _outside(file.parent, Path(name))
        if why:
            notes.append(f"{file.name} names {mask(name)[:100]!r}, which {why}: not taken along")
        else:
            files[PurePosixPath(Path(name).as_posix())] = file.parent / name
    return Companions(files=files, notes=tuple(notes))


def _outside(folder: Path, name: Path) -> str:
    if name.is_absolute() or ".." in name.parts:
        return "is no path below its folder"
    return "" if (folder / name).resolve().is_relative_to(folder.resolve()) else "lies elsewhere, by a link"


def of_python(file: Path) -> Companions:
    """A script, what it imports from its own folder, and the files there that its texts name."""
    files: dict[PurePosixPath, Path] = {}
    waiting = [file.name]
    while waiting:
        name = waiting.pop()
        if PurePosixPath(name) in files:
            continue
        there = file.parent / name
        files[PurePosixPath(Path(name).as_posix())] = there
        if there.suffix == ".py":
            waiting += [found for found in _named_in_python(there) if _is_below(file.parent, found)]
    return Companions(files=files)


def _is_below(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file() and not _outside(folder, Path(name))
    except (OSError, ValueError):  # a text that is no name
        return False


def _named_in_python(file: Path) -> Iterator[str]:
    """Modules as the files that they would be in its folder, and every text that could be a name."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise OptionError(
            f"{file}: line {line} is no Python: {getattr(error, 'msg', error)}; correct it there"
        ) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 256:
            yield node.value
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield from _modules(f"{node.module}.{alias.name}")


def _modules(dotted: str) -> Iterator[str]:
    """`a.b.c` as a.py, a/__init__.py, a/b.py, …"""
    parts = dotted.split(".")
    for count in range(1, len(parts) + 1):
        path = "/".join(parts[:count])
        yield f"{path}.py"
        yield f"{path}/__init__.py"


def of_taurus(file: Path) -> Companions:
    """A Taurus file, under the name that a folder's suite has, and everything that it takes along to a worker."""
    suite = read_suite([file])
    files: dict[PurePosixPath, Path] = {}
    for relative in suite.files:
        taken = {PurePosixPath(relative.as_posix()): suite.folder / relative}
        if relative.suffix == ".py":
            beside = PurePosixPath(relative.as_posix()).parent
            taken |= {beside / name: there for name, there in of_python(suite.folder / relative).files.items()}
        files |= taken
    own = PurePosixPath(file.name)
    if file.name not in SUITE_NAMES:
        del files[own]
        own = PurePosixPath(f"suite{file.suffix.lower()}")
        if own in files:
            raise OptionError(f"--taurus {file}: takes along a {own}, whose name it needs itself; rename that one")
    return Companions(files={own: file, **files})
