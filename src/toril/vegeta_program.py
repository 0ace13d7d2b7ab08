"""Where the program of `executor: vegeta` lies: one answer for the worker that runs it and the doctor."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from toril.cache import cache_folder

NAME = "toril-vegeta"
SOURCES = Path(__file__).resolve().parents[2] / "tools" / "vegeta"  # there in toril's sources only
MISSING = (
    f"{NAME}, which sends the load, is nowhere; `make vegeta` in toril's sources builds it, worker images have it, "
    "or let TORIL_VEGETA name it"
)


def vegeta_program(sources: Path = SOURCES) -> Path | None:
    """$TORIL_VEGETA, what lies beside this Python, what `make vegeta` has built, or what is on the path."""
    if named := os.environ.get("TORIL_VEGETA"):
        return Path(named).expanduser().absolute()
    beside = Path(sys.executable).parent / NAME
    if beside.is_file():
        return beside
    built = [one for one in _built(sources) if one.is_file()]
    if built:
        return max(built, key=lambda one: one.stat().st_mtime)
    found = shutil.which(NAME)
    return Path(found) if found else None


def digest_of(sources: Path) -> str:
    """What the program is built from, so that one that was built from something else is not taken for it."""
    digest = hashlib.sha256()
    for path in sorted([*sources.glob("*.go"), *sources.glob("go.*")]):
        if not path.name.endswith("_test.go"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _built(sources: Path) -> list[Path]:
    cache = cache_folder()
    if (sources / "go.mod").is_file():
        return [cache / f"vegeta-{digest_of(sources)}" / NAME]
    return list(cache.glob(f"vegeta-*/{NAME}"))
