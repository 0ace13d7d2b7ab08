"""A package of the console for stacks that only describe it: a zip with a manifest, and one static file."""

import json
import os
import zipfile
from functools import cache
from pathlib import Path

from infra.settings.schema import ROOT

FOLDER = Path("build")  # below the project
STATIC = {"0a1b2c3d4e5f/console.css": "text/css; charset=utf-8"}


@cache
def package(architecture: str = "arm64") -> str:
    """Returns the path of the zip, relative to the project, as settings have it."""
    path = FOLDER / f"console-stand-in-{architecture}.zip"
    folder = ROOT / path.with_suffix(".static")
    for name in STATIC:
        _put(folder / name, b"p {}")
    beside = ROOT / FOLDER / f"{path.name}.{os.getpid()}"
    with zipfile.ZipFile(beside, "w") as archive:
        archive.writestr(zipfile.ZipInfo("handler.py"), "")
        archive.comment = json.dumps({"architecture": architecture, "python": "3.13", "static": STATIC}).encode()
    beside.replace(ROOT / path)
    return str(path)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)
