"""Writes the generated pages of docs/reference, or checks them with --check."""

import argparse
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import tools.reference

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def generated() -> Iterator[tuple[Path, str]]:
    """Yields each generated file with the text that it should have."""
    for module in sorted(one.name for one in iter_modules(tools.reference.__path__) if one.name != "__main__"):
        for name, text in import_module(f"tools.reference.{module}").pages().items():
            yield REFERENCE / name, text


def stale() -> list[Path]:
    """Returns the generated files that are missing or differ from their source."""
    return [path for path, text in generated() if not path.is_file() or path.read_text("utf-8") != text]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    if parser.parse_args().check:
        for path in (found := stale()):
            print(f"{path} is stale: run `make docs`", file=sys.stderr)
        return bool(found)
    for path, text in generated():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
