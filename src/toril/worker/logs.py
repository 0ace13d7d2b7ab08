"""bzt.log: what bzt and the worker said, and the last words of each engine."""

import logging
from collections.abc import Callable
from pathlib import Path

from toril.worker.engines import tail_of

ENGINE_LINES = 200


def begin(path: Path) -> None:
    """Everything that is logged from now on, from INFO: bzt's debug lines hold the values of environment variables."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)


def collected(path: Path, artifacts: Path, redacted: Callable[[str], str]) -> bytes:
    """The log so far with the engines' own logs behind it, all of it `redacted`."""
    parts = [path.read_text(errors="replace")]
    for engines in sorted(artifacts.glob("*")):
        if engines.suffix in (".err", ".log") and engines.is_file():
            tail = tail_of(engines, ENGINE_LINES)
            parts += [f"─── {engines.name}\n{tail}\n"] if tail else []
    return redacted("".join(parts)).encode()
