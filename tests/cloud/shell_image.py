"""A small image with a shell, made from this machine's programs and libraries."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from tests.cloud import oci
from tests.cloud.oci import File, Image

PROGRAMS = ("bash", "cat", "head", "id", "sleep", "stat", "tail", "touch")
LIBRARY = re.compile(r"(/\S+) \(0x")
USER = 10001


def shell_image(**config: Any) -> Image:
    """Returns an image with a shell, and with a folder /data of another user."""
    return oci.image({**_programs(), "data": File(content=None, mode=0o755, owner=USER)}, **config)


@cache
def _programs() -> dict[str, File]:
    found: dict[str, File] = {name: File(content=None, mode=0o755) for name in ("bin", "dev", "proc", "sys", "tmp")}
    for name in PROGRAMS:
        program = shutil.which(name, path=os.defpath)
        assert program is not None, name
        found[f"bin/{name}"] = _file(program)
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        found |= {path.lstrip("/"): _file(path) for path in LIBRARY.findall(libraries)}
    return found


def _file(path: str) -> File:
    return File(content=Path(path).read_bytes(), mode=0o755)
