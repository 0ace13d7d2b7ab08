"""The contents of Pulumi's assets and archives, which the engine passes by reference."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.infra.engine.shapes import Props
from tests.infra.engine.wire import ARCHIVE, SIGNATURE

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same archive each time


def content(asset: Props) -> bytes:
    """Returns the content of a file or a text."""
    return asset["text"].encode() if asset.get("text") is not None else Path(asset["path"]).read_bytes()


def packed(archive: Props) -> bytes:
    """Returns an archive as a zip file: one that is there, a folder, or named assets."""
    if archive.get("path") and Path(archive["path"]).is_file():
        return Path(archive["path"]).read_bytes()
    with io.BytesIO() as made:
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in _members(archive):
                file.writestr(zipfile.ZipInfo(name, EPOCH), data)
        return made.getvalue()


def _members(archive: Props, below: str = "") -> Iterator[tuple[str, bytes]]:
    if archive.get("path"):
        folder = Path(archive["path"])
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            yield f"{below}{path.relative_to(folder).as_posix()}", path.read_bytes()
    for name, one in sorted((archive.get("assets") or {}).items()):
        if one[SIGNATURE] == ARCHIVE:
            yield from _members(one, f"{below}{name}/")
        else:
            yield below + name, content(one)
