"""The installed programs that toril starts, for workers and for `toril doctor`; and the commands of users (hooks).

`make` prepares JMeter, Gatling, JUnit and the engine in a cache that `make clean` keeps. This module imports only
the standard library, because the tools that build the programs import it before anything is installed.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from toril.errors import OptionError

GATLING_VERSION = "3.15.1"  # the launcher of tools/gatling is written for it; `make gatling` assembles it
JUNIT_VERSION = "1.11.4"  # of the console; `make junit` assembles it
JMETER_VERSION = "5.6.3"  # the worker reads this version's records; `make jmeter` assembles it
ENGINE = "toril-engine"
ENGINE_SOURCES = Path(__file__).resolve().parents[2] / "tools" / "engine"  # exists in toril's sources only
ENGINE_MISSING = (
    f"The program {ENGINE} is not installed. Run `make engine` in toril's sources, use toril's "
    "worker image, or set TORIL_ENGINE to its path"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_ON_MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
DRIVERS = ("chromedriver", "chromium.chromedriver")

MOST_OUTPUT = 1 << 20  # bytes of a hook that are read
SHOWN_OUTPUT = 2000  # characters of a failed hook's output
CHECK_LIMIT_S = 20.0  # of a check that takes milliseconds
REFUSED = 3  # exit code of tools/engine's check

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


def installed_java() -> str | None:
    """Returns the `java` of JAVA_HOME or of PATH."""
    home = os.environ.get("JAVA_HOME")
    return (shutil.which("java", path=str(Path(home, "bin"))) if home else None) or shutil.which("java")


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


def engine_program(sources: Path = ENGINE_SOURCES) -> Path | None:
    """Returns $TORIL_ENGINE, the program beside this Python, the one `make engine` built, or the one on PATH."""
    if named := os.environ.get("TORIL_ENGINE"):
        return Path(named).expanduser().absolute()
    beside = Path(sys.executable).parent / ENGINE
    if beside.is_file():
        return beside
    cache = cache_folder()
    if (sources / "go.mod").is_file():
        built = [cache / f"engine-{engine_digest(sources)}" / ENGINE]
    else:
        built = list(cache.glob(f"engine-*/{ENGINE}"))
    if built := [file for file in built if file.is_file()]:
        return max(built, key=lambda file: file.stat().st_mtime)
    installed = shutil.which(ENGINE)
    return Path(installed) if installed else None


def refused(program: Path, load: str) -> str:
    """Returns why toril's engine does not compile the journeys of a load (JSON); an empty text if it does.

    The text is also empty if the program cannot tell: then workers check before they start.
    """
    try:
        ended = subprocess.run([program, "check"], input=load, capture_output=True, text=True, timeout=CHECK_LIMIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stderr.strip()[:SHOWN_OUTPUT] if ended.returncode == REFUSED else ""


def engine_digest(sources: Path = ENGINE_SOURCES) -> str:
    """Returns a digest of the program's sources without tests; it identifies a build."""
    digest = hashlib.sha256()
    for path in sorted([*sources.rglob("*.go"), *sources.glob("go.*")]):
        if not path.name.endswith("_test.go"):
            digest.update(str(path.relative_to(sources)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _home(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    return Path(named).expanduser().absolute() if named else cache_folder() / name


def _installed(variable: str, names: tuple[str, ...]) -> str | None:
    named = os.environ.get(variable)
    if named:  # a named program that does not exist is an error, not a reason to take another one
        return shutil.which(os.path.expanduser(named))  # noqa: PTH111 - which() takes a bare name, too
    return next((path for name in names if (path := shutil.which(name))), None)


def run_hook(command: str, arguments: Sequence[str], environment: Mapping[str, str], limit_s: float) -> str:
    """Runs a command without a shell, and returns its standard output.

    It may leave servers running. `command` is split as a shell would; `arguments` follow it. `environment` is added to
    the own one. OptionError `hook-failed` if it cannot be started, fails, or takes longer than `limit_s` seconds.
    """
    output, code = "", None
    try:
        line = [*shlex.split(command), *arguments]
        with TemporaryFile() as printed:  # a pipe would stay open as long as a server that the command started
            try:
                code = subprocess.run(
                    line, stdout=printed, env=os.environ | environment, timeout=limit_s, check=False
                ).returncode
                why = f"it ended with exit code {code}"
            except subprocess.TimeoutExpired:
                why = f"it took longer than {limit_s:g} s"
            output = os.pread(printed.fileno(), MOST_OUTPUT, 0).decode(errors="replace")
    except (OSError, ValueError, IndexError) as error:  # ValueError: an open quote; IndexError: an empty command
        why = str(error)
    if code == 0:
        return output
    shown = f" It printed:\n{output.strip()[-SHOWN_OUTPUT:]}" if output.strip() else ""
    raise OptionError(f"{command}: {why}. Correct the command.{shown}", code="hook-failed")
