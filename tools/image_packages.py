"""Writes the packages of the worker image, with the modules that scripts can import from them.

python -m tools.image_packages     after `make lock`, in the environment of the tests
"""

import re
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "src/toril/suite/image_packages.txt"
HEADER = "# The packages of the worker image, each with its modules. Written by `python -m tools.image_packages`.\n"
LOCKS = ("worker", "browser")
REMOVED = {"cython", "pip", "wheel"}  # by image/Dockerfile


def names() -> list[str]:
    """Returns the packages of the image's locks, normalised."""
    texts = [(ROOT / "requirements" / f"{lock}.txt").read_text() for lock in LOCKS]
    return sorted({name for text in texts for name in re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE)} - REMOVED)


def table() -> str:
    """Returns the file's text, by the packages that are installed beside this program."""
    modules = defaultdict[str, set[str]](set)
    for module, packages in packages_distributions().items():
        for package in packages:
            modules[re.sub(r"[-_.]+", "-", package).lower()].add(module)
    return HEADER + "".join(f"{' '.join([name, *sorted(modules[name])])}\n" for name in names())


if __name__ == "__main__":
    TABLE.write_text(table())
