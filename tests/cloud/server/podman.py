"""podman, as it works on this machine, and all that it leaves behind."""

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
NAME = f"embedded-cloud-{os.getpid()}"  # of everything that this server makes
LABEL = f"embedded-cloud={NAME}"


class PodmanError(Exception):
    """What podman says."""


def environment(folder: Path) -> dict[str, str]:
    """For podman, with settings of its own."""
    settings = folder / "containers.conf"
    if not settings.exists():
        # threads start containers at the same moment, each with a file of its own
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix="containers.conf.", delete=False) as new:
            new.write(_settings())
        Path(new.name).replace(settings)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_RUNTIME_DIR", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "CONTAINERS_CONF": str(settings), "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}


def limits(files: tuple[int, int] | None = None) -> list[str]:
    """How many files a container's processes may open, and how many there may be: no more than this machine allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft, hard = (min(one, most) for one in files or (most, most))
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    processes = PROCESSES_MOST if processes == resource.RLIM_INFINITY else min(processes, PROCESSES_MOST)
    return [f"nofile={soft}:{hard}", f"nproc={processes}:{processes}"]


def _settings() -> str:
    """crun needs cgroups of version 2, and podman's own limits more rights than a container's root has."""
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
    """What podman writes on its standard output."""
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
    """Those that are still there."""
    found = run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split()
    if found:
        run("rm", "--force", "--volumes", *found)


def remove_groups() -> None:
    """The empty cgroups that are left."""
    for top in (*CGROUPS.glob(f"*/{NAME}"), *CGROUPS.glob(NAME)):
        for folder in sorted((one for one in top.rglob("*") if one.is_dir()), reverse=True):
            with suppress(OSError):  # gone by now
                folder.rmdir()
        with suppress(OSError):
            top.rmdir()
