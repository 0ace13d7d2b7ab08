"""Packages that scripts need: the lock that a suite names in `toril.python`, and its wheels.

The platform of wheels is a name such as `cp313-linux-aarch64`, or `local-cp311-darwin-arm64` for local runs.
"""

import hashlib
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from toril.programs import cache_folder
from toril.secrets.masking import mask
from toril.suite.files import WHEELS
from toril.suite.imports import image_packages
from toril.suite.reader import SuiteReader, quoted

LOCAL = "local-"
CPYTHON = {"os_name": "posix", "implementation_name": "cpython", "platform_python_implementation": "CPython"}
HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})(?=\s|$)")
LOCKS = "uv pip compile --universal --generate-hashes --no-emit-index-url requirements.in -o requirements.txt"
# The wrappers of engines change these packages, so workers keep the versions that toril was tested with.
OF_ENGINES = {
    *("apiritif", "bzt", "gevent", "geventhttpclient", "greenlet", "locust", "playwright", "pluggy", "pytest"),
    *("requests", "selenium", "urllib3"),
}


def this_platform(*, local: bool) -> str:
    """Returns the platform of this Python, on this machine; `local`: of local runs."""
    return f"{LOCAL * local}cp{sys.version_info[0]}{sys.version_info[1]}-{sys.platform}-{platform.machine()}"


def image_platform(arch: str) -> str:
    """Returns the platform of the worker image, with Debian's Python, for a value of `toril.worker.arch`."""
    return f"cp313-linux-{'aarch64' if arch == 'arm64' else arch}"


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock."""

    name: str  # normalised
    pin: str  # `shopkit==1.2`
    marker: Marker | None
    hashes: tuple[str, ...]  # SHA-256 of its files

    def is_for(self, target: str) -> bool:
        """Returns whether its marker holds on this platform."""
        if self.marker is None or target.startswith(LOCAL):
            return self.marker is None or self.marker.evaluate()
        python, system, machine = target.removeprefix("cp").split("-")
        version = {"python_version": f"3.{python[1:]}", "python_full_version": f"3.{python[1:]}.0"}
        place = {"sys_platform": system, "platform_system": system.capitalize(), "platform_machine": machine}
        return self.marker.evaluate({**CPYTHON, **version, **place})


def read_lock(text: str, path: str, reader: SuiteReader) -> tuple[Locked, ...]:
    """Returns the packages of a lock; raises SuiteError for a line without exact version and SHA-256.

    Packages of engines are left out with a warning.
    """
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in re.sub(r"\\\r?\n", " ", text).splitlines())
    locked = [_locked(line, path, reader) for line in lines if line]
    own = {one.name for one in locked} & OF_ENGINES & image_packages().keys()
    if own:
        text = f"Workers keep their own version of {', '.join(sorted(own))}. Remove it from the lock, or ignore this."
        reader.warn("own-packages", path, text)
    return tuple(one for one in locked if one.name not in own)


def _locked(line: str, path: str, reader: SuiteReader) -> Locked:
    hashes, what = HASH.findall(line), f"has no exact version with hashes. Lock the packages: `{LOCKS}`."
    if line.startswith("-"):
        what = "is an option. Remove it, and configure pip, for example by PIP_INDEX_URL."
    try:
        wanted = Requirement(HASH.sub("", line))
        ((operator, version),) = ((one.operator, one.version) for one in wanted.specifier)
    except (InvalidRequirement, ValueError):
        operator = version = ""
    if operator != "==" or version.endswith("*") or not hashes:
        raise reader.error("unlocked-packages", path, f"{quoted(mask(line.split()[0]))} {what}")
    return Locked(canonicalize_name(wanted.name), f"{wanted.name}=={version}", wanted.marker, tuple(hashes))


def find_wheels(lock: Sequence[Locked], target: str, folders: Iterable[Path]) -> dict[str, Path] | None:
    """Returns the wheels of a lock by file name, all from the first folder that has all of them; None without one."""
    wanted = {one.name: one.hashes for one in lock if one.is_for(target)}
    for folder in folders:
        found = {}
        for file in sorted(folder.glob("*.whl")):
            name = canonicalize_name(file.name.partition("-")[0])
            if hashlib.sha256(file.read_bytes()).hexdigest() in wanted.get(name, ()):
                found[name] = file
        if found.keys() == wanted.keys():
            return {file.name: file for file in found.values()}
    return None


def wheel_folders(suite: Path, lock: Sequence[Locked], target: str) -> tuple[Path, Path]:
    """Returns the folders that may have the wheels: of the suite, and of this user's cache."""
    digest = hashlib.sha256(repr(sorted((one.pin, one.hashes) for one in lock)).encode()).hexdigest()
    return suite / WHEELS / target, cache_folder() / WHEELS / f"{target}-{digest[:16]}"
