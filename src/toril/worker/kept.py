"""What engines keep of their first failures: read off their folders, bounded, and with secrets taken out of texts."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from toril.records import Kept
from toril.worker.lanes import Lane
from toril.worker.redaction import Redactor

MOST = 3  # failures of an execution
LARGEST = 5 << 20  # bytes of one file
SUFFIXES = (".jpg", ".txt", ".zip")  # no .html: what a stranger's page does must not happen again in a folder
TEXTS = (".txt",)  # in which secrets can be found; a picture shows what it shows

log = logging.getLogger("toril.worker")


def read_kept(lanes: Sequence[Lane], start_at: float, redacted: Redactor) -> Iterator[tuple[Kept, dict[str, bytes]]]:
    """Each failure, and its files by their names within the attempt's folder."""
    for position, lane in enumerate(lanes):
        folder = lane.engine.station.kept
        for told in _told(folder / "index.jsonl"):
            files = {f"failures/{position}-{name}": data for name, data in _files(folder, told.get("files"), redacted)}
            yield (
                Kept(
                    execution=lane.execution,
                    label=redacted.said(str(told.get("label", ""))),
                    message=redacted.said(str(told.get("message", ""))),
                    at_s=round(float(told.get("at_s", start_at)) - start_at, 3),
                    files=tuple(files),
                ),
                files,
            )


def _told(index: Path) -> list[dict[str, Any]]:
    try:
        lines = index.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[:MOST]]


def _files(folder: Path, names: Any, redacted: Redactor) -> Iterator[tuple[str, bytes]]:
    for name in names if isinstance(names, list) else ():
        path = folder / Path(str(name)).name
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        if path.stat().st_size > LARGEST:
            log.warning("%s is not kept: it has more than %d MiB", path.name, LARGEST >> 20)
            continue
        data = path.read_bytes()
        yield path.name, redacted.redacted_bytes(data) if path.suffix in TEXTS else data
