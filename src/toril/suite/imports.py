"""Imports of scripts that workers cannot resolve."""

import ast
import re
import sys
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from toril.suite.files import MAX_SCRIPT
from toril.suite.reader import SuiteReader, quoted

IMAGE = Path(__file__).with_name("image_packages.txt")  # written by tools/image_packages.py
DATA = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")  # of a wheel: modules as well
OWN_PATH = re.compile(r"\bsys\.path\b")
UNSURE = (ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar)  # an import below them may be left out, or may fail


def image_packages() -> dict[str, list[str]]:
    """Returns the packages of the worker image, by name, with the modules that scripts can import from them."""
    lines = (line.split() for line in IMAGE.read_text().splitlines() if not line.startswith("#"))
    return {name: modules for name, *modules in lines}


def warn_of_missing_imports(
    folder: Path, scripts: Iterable[Path], wheels: Iterable[Path], reader: SuiteReader, *, local: bool
) -> None:
    """Warns of modules that scripts import in any case and that workers will not find.

    `local`: workers have this machine's modules, too. A script that changes `sys.path` may find any module.
    """
    known = {"toril", "__main__", *sys.stdlib_module_names, *(name for wheel in wheels for name in modules_in(wheel))}
    known.update(*image_packages().values())
    texts = {script: (folder / script).read_text(errors="replace")[:MAX_SCRIPT] for script in scripts}
    for script, text in () if any(map(OWN_PATH.search, texts.values())) else texts.items():
        beside = {file.stem for place in (folder, (folder / script).parent) for file in place.iterdir()}
        for module in _modules(text) - known - beside:
            if not (local and find_spec(module)):
                what = f"Workers do not have the module {quoted(module)}. Add its package to `toril.python`'s lock."
                reader.warn("missing-import", script.as_posix(), what)


def _modules(text: str) -> set[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd literals
            return {name.partition(".")[0] for name in _imported(ast.parse(text))}
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # its engine explains that better
        return set()


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
    elif not isinstance(node, UNSURE):
        for child in ast.iter_child_nodes(node):
            yield from _imported(child)


def modules_in(wheel: Path) -> set[str]:
    """Returns the modules at the top of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        paths = [DATA.sub("", name) for name in archive.namelist()]
    return {re.split(r"[/.]", path)[0] for path in paths}
