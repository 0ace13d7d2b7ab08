"""Which files make a suite, and what they say together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toril.errors import SuiteError
from toril.suite.document import load
from toril.suite.files import SUITE_NAMES, URL
from toril.suite.merge import merge

MOST_INCLUDES = 100


def suite_files(paths: Sequence[str | Path]) -> list[Path]:
    """The files that are meant."""
    if not paths:
        raise SuiteError("no suite is named; give a Taurus file, or a folder with a suite.yml")
    found = []
    for written in paths:
        path = Path(written)
        if URL.match(str(written)):
            raise SuiteError(f"{written} is an address, not a file; write a suite with `requests: [{written}]`")
        if path.suffix.lower() in (".jmx", ".jtl", ".py"):
            raise SuiteError(
                f"{path} is a script, not a suite; write a suite.yml with `execution: [{{scenario: {path.name}}}]`"
            )
        try:
            folder = path.is_dir()
        except (OSError, ValueError):
            folder = False
        if not folder:
            found.append(path)
            continue
        if len(paths) > 1:
            raise SuiteError(
                f"{path} is a folder, and suites in folders are not merged; give one folder, or files only"
            )
        inside = [path / name for name in SUITE_NAMES if (path / name).is_file()]
        if not inside:
            raise SuiteError(f"{path} has no suite.yml; add one, or name the Taurus file")
        found.append(inside[0])
    return found


def merged_configuration(files: Sequence[Path]) -> tuple[dict[str, Any], list[Path], list[str]]:
    """The merged configuration, every file that went into it, and warnings."""
    merged: dict[str, Any] = {}
    used: list[Path] = []
    warnings: list[str] = []

    def add(path: Path, name: str) -> None:
        documents, found = load(path, name)
        for document in documents:
            merge(merged, document)
        used.append(path)
        warnings.extend(found)

    for file in files:
        add(file, file.name)
    included = [str(file) for file in files]
    while "included-configs" in merged:
        names = merged.pop("included-configs") or []
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise SuiteError(
                f"{files[0].name}: included-configs is no list of files; write it like `included-configs: [base.yml]`"
            )
        if len(included) + len(names) > MOST_INCLUDES:
            raise SuiteError(
                f"{files[0].name}: included-configs names more than {MOST_INCLUDES} files; merge some of them"
            )
        fresh = [name for name in dict.fromkeys(names) if name not in included]
        included += names
        for name in fresh:
            add(_included(name, files), name)
    return merged, used, warnings


def _included(name: str, files: Sequence[Path]) -> Path:
    """Where bzt finds it: from the working folder, then from those of the suite's files."""
    if URL.match(name):
        raise SuiteError(
            f"{files[0].name}: included-configs names the address {name[:80]}; download it beside the suite"
        )
    try:
        for folder in (Path(), *(file.parent for file in files)):
            path = folder / Path(name).expanduser()
            if path.exists():
                return path
    except (OSError, ValueError, RuntimeError):
        pass
    raise SuiteError(f"{files[0].name}: included-configs names {name[:80]!r}, which does not exist; correct the path")
