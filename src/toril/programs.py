"""Finds the installed programs that toril starts, for workers and for `toril doctor`.

`make` prepares JMeter, Gatling, JUnit and vegeta's program in a cache that `make clean` keeps. This module imports only
the standard library, because the tools that build the programs import it before anything is installed.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

GATLING_VERSION = "3.9.5"  # the worker reads this version's log; `make gatling` assembles it
JUNIT_VERSION = "1.11.4"  # of the console; `make junit` assembles it
JMETER_VERSION = "5.6.3"  # the worker reads this version's records; `make jmeter` assembles it
VEGETA = "toril-vegeta"
VEGETA_SOURCES = Path(__file__).resolve().parents[2] / "tools" / "vegeta"  # exists in toril's sources only
VEGETA_MISSING = (
    f"vegeta needs the program {VEGETA}, which is not installed. Run `make vegeta` in toril's sources, use toril's "
    "worker image, or set TORIL_VEGETA to its path"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
DRIVERS = ("chromedriver", "chromium.chromedriver")

PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_process() -> None:
    """Keeps this user's other processes from reading this one's memory and first environment (Linux).

    Suites run as this user, and both may hold credentials that suites do not get. Root reads them all the same.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def cache_folder() -> Path:
    """Returns toril's cache folder of this user, which may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "toril"


def jmeter_home() -> Path:
    """Returns $TORIL_JMETER_HOME, or the folder where `make jmeter` installs JMeter."""
    return _home("TORIL_JMETER_HOME", f"jmeter-{JMETER_VERSION}")


def is_jmeter(home: Path) -> bool:
    """Returns whether JMeter can be started from this folder."""
    return (home / "bin" / "jmeter").is_file() and (home / "bin" / "ApacheJMeter.jar").is_file()


def gatling_home() -> Path:
    """Returns $TORIL_GATLING_HOME, or the folder where `make gatling` installs Gatling."""
    return _home("TORIL_GATLING_HOME", f"gatling-{GATLING_VERSION}")


def junit_home() -> Path:
    """Returns $TORIL_JUNIT_HOME, or the folder where `make junit` installs JUnit's console."""
    return _home("TORIL_JUNIT_HOME", f"junit-{JUNIT_VERSION}")


def chromium() -> str | None:
    """Returns $TORIL_CHROMIUM, or the first installed browser of the usual names; None without one."""
    return _installed("TORIL_CHROMIUM", (*BROWSERS, BROWSER_ON_MACOS))


def chromedriver() -> str | None:
    """Returns $TORIL_CHROMEDRIVER, or the installed driver; None without one."""
    return _installed("TORIL_CHROMEDRIVER", DRIVERS)


def vegeta_program(sources: Path = VEGETA_SOURCES) -> Path | None:
    """Returns $TORIL_VEGETA, the program beside this Python, the one `make vegeta` built, or the one on PATH."""
    if named := os.environ.get("TORIL_VEGETA"):
        return Path(named).expanduser().absolute()
    beside = Path(sys.executable).parent / VEGETA
    if beside.is_file():
        return beside
    cache = cache_folder()
    if (sources / "go.mod").is_file():
        built = [cache / f"vegeta-{vegeta_digest(sources)}" / VEGETA]
    else:
        built = list(cache.glob(f"vegeta-*/{VEGETA}"))
    if built := [one for one in built if one.is_file()]:
        return max(built, key=lambda one: one.stat().st_mtime)
    found = shutil.which(VEGETA)
    return Path(found) if found else None


def vegeta_digest(sources: Path = VEGETA_SOURCES) -> str:
    """Returns a digest of the program's sources without tests; it identifies a build."""
    digest = hashlib.sha256()
    for path in sorted([*sources.glob("*.go"), *sources.glob("go.*")]):
        if not path.name.endswith("_test.go"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _home(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    return Path(named).expanduser().absolute() if named else cache_folder() / name


def _installed(variable: str, names: tuple[str, ...]) -> str | None:
    named = os.environ.get(variable)
    if named:  # a named program that does not exist is an error, not a reason to take another one
        return shutil.which(os.path.expanduser(named))  # noqa: PTH111 - which() takes a bare name, too
    return next((found for name in names if (found := shutil.which(name))), None)
