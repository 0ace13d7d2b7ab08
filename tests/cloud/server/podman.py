"""podman with this machine's settings, and the removal of its leftovers."""

import json
import os
import resource
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROCESSES_MOST = 10_000
NAME = f"embedded-cloud-{os.getpid()}"  # in the names of everything that this server makes
LABEL = f"embedded-cloud={NAME}"


class PodmanError(Exception):
    """An error of podman."""


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of podman, with its own settings."""
    settings = folder / "containers.conf"
    if not settings.exists():
        # threads start containers concurrently, so each has its own file
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix="containers.conf.", delete=False) as new:
            new.write(_settings())
        Path(new.name).replace(settings)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_RUNTIME_DIR", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "CONTAINERS_CONF": str(settings), "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


def limits(files: tuple[int, int] | None = None) -> list[str]:
    """Returns the limits of open files and processes, within this machine's limits."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft, hard = (min(one, most) for one in files or (most, most))
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    processes = PROCESSES_MOST if processes == resource.RLIM_INFINITY else min(processes, PROCESSES_MOST)
    return [f"nofile={soft}:{hard}", f"nproc={processes}:{processes}"]


def _settings() -> str:
    """Returns podman's settings. crun needs cgroups v2; podman's limits need more rights than a container's root."""
    unified = (CGROUPS / "cgroup.controllers").exists()
    return "\n".join(
        [
            "[engine]",
            *([] if unified and shutil.which("crun") else ['runtime = "runc"']),
            *([] if Path("/run/systemd/system").exists() else ['cgroup_manager = "cgroupfs"']),
            'events_logger = "none"',
            "[containers]",
            f"default_ulimits = {json.dumps(limits())}",
            'log_driver = "none"',
            "",
        ]
    )


def run(*arguments: str, folder: Path | None = None) -> str:
    """Runs podman. Returns its standard output."""
    place = folder or Path(tempfile.gettempdir())
    done = subprocess.run(
        ["podman", *arguments],
        env=environment(Path(tempfile.gettempdir())),
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise PodmanError(done.stderr.strip())
    return done.stdout.strip()


def remove_containers() -> None:
    """Removes the remaining containers."""
    found = run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split()
    if found:
        run("rm", "--force", "--volumes", *found)


def remove_groups() -> None:
    """Removes the remaining empty cgroups."""
    for top in (*CGROUPS.glob(f"*/{NAME}"), *CGROUPS.glob(NAME)):
        for folder in sorted((one for one in top.rglob("*") if one.is_dir()), reverse=True):
            with suppress(OSError):  # already removed
                folder.rmdir()
        with suppress(OSError):
            top.rmdir()
