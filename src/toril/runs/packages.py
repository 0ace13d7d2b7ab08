"""Gets the wheels of a suite's lock by pip, and stores them for workers."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from toril.clock import SystemClock
from toril.errors import InfrastructureError, SuiteError
from toril.launchers.agents import seen_agents
from toril.records import Plan, package_key
from toril.records.agent import LIVE_S, is_private
from toril.secrets.masking import mask
from toril.store import Store
from toril.suite import Suite
from toril.suite.files import WHEELS
from toril.suite.packages import LOCAL, Locked, find_wheels, image_platform, this_platform, wheel_folders

MOST_BYTES = 200 << 20  # of the wheels of one platform
RENEWED_S = 12 * 3600.0  # buckets delete files of runs after a day or more
GLIBC = 41  # of the worker image: 2.41
TAGS = [f"manylinux_2_{minor}" for minor in range(GLIBC, 4, -1)] + ["manylinux2014", "manylinux2010", "manylinux1"]
FIX = "Lock versions with wheels for it, or check pip's index"


def with_packages(store: Store, suite: Suite, plan: Plan) -> Plan:
    """Stores the wheels that the plan's workers need, unless they are there. Returns the plan with their hashes."""
    packages: dict[str, dict[str, str]] = {}
    since = SystemClock().now() - RENEWED_S
    there = {entry.key for entry in store.entries(package_key("")) if entry.modified_at > since}
    for target in [this_platform(local=True)] if plan.on == "local" else platforms(suite, plan.locations, store):
        packages[target] = {}
        for name, wheel in wheels(suite, target).items():
            data = wheel.read_bytes()
            packages[target][name] = digest = hashlib.sha256(data).hexdigest()
            if package_key(digest) not in there:
                store.put(package_key(digest), data)
    return plan.model_copy(update={"packages": packages})


def files_with_packages(suite: Suite) -> dict[str, Path]:
    """Returns the files of a suite, by their paths, and the wheels of its lock for workers elsewhere."""
    files = {file.as_posix(): suite.folder / file for file in suite.files}
    locations = [location for execution in suite.executions for location in execution.locations]
    for target in platforms(suite, locations) if suite.lock else ():
        files |= {f"{WHEELS}/{target}/{name}": path for name, path in wheels(suite, target).items()}
    return files


def platforms(suite: Suite, locations: Collection[str], store: Store | None = None) -> list[str]:
    """Returns the platforms of workers elsewhere: of the image, and of the store's live agents, else of both images."""
    private, regions = ({place for place in locations if is_private(place) is kind} for kind in (True, False))
    agents = seen_agents(store, within_s=LIVE_S) if private and store else ()
    found = {agent.platform for agent, _ in agents if agent.location in private} - {""}
    if private and not found:
        found = {image_platform(arch) for arch in ("arm64", "x86_64")}
    return sorted(found if private and not regions else {*found, image_platform(suite.toril.worker.arch)})


def wheels(suite: Suite, target: str) -> dict[str, Path]:
    """Returns the wheels of a suite's lock by file name, from the suite, the cache or the package index.

    SuiteError if pip finds no wheel for a package, or if the wheels are too large.
    """
    folders = wheel_folders(suite.folder, suite.lock, target)
    found = find_wheels(suite.lock, target, folders)
    if found is None:
        said = _download([one for one in suite.lock if one.is_for(target)], target, folders[1])
        found = find_wheels(suite.lock, target, folders[1:])
    if found is None:
        raise SuiteError(f"toril.python: No wheels for {target}: {said}. {FIX}.", code="no-wheels")
    if (size := sum(path.stat().st_size for path in found.values())) > MOST_BYTES:
        text = f"toril.python: The packages have {size >> 20} MiB, more than {MOST_BYTES >> 20}"
        raise SuiteError(f"{text}. Remove some, or put them into the worker image.", code="too-large")
    return found


def _download(lock: Sequence[Locked], target: str, folder: Path) -> str:
    """Fills the folder by pip, which reads its own configuration, such as the index. Returns pip's last error."""
    pip = [sys.executable, "-m", "pip"]
    if not any(Path(place, "pip").is_dir() for place in sys.path):  # `find_spec` would import setuptools
        pip = ["uv", "tool", "run", "pip", "--python", sys.executable]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        pins, filled = Path(temporary, "requirements.txt"), Path(temporary, "wheels")
        pins.write_text("\n".join(" --hash=sha256:".join([one.pin, *one.hashes]) for one in lock))
        command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
        command += ["--only-binary=:all:", "--require-hashes", f"--dest={filled}", f"--requirement={pins}"]
        if not target.startswith(LOCAL):
            python, system, machine = target.removeprefix("cp").split("-")
            command += ["--implementation=cp", f"--python-version={python}", f"--abi=cp{python}"]
            command += [f"--platform={tag}_{machine}" for tag in (*(TAGS if system == "linux" else ()), system)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            text = "toril.python: pip is missing, which downloads the packages. Install pip or uv, or push the suite"
            text += " from a machine that has one: `toril suite push`"
            raise InfrastructureError(text, code="no-pip") from None
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # pip has failed, or another command has just filled the folder
            filled.rename(folder)
    return mask(next((line for line in reversed(done.stderr.splitlines()) if "ERROR" in line), "no error"))[:500]
