"""A small service of our own in a git repository: each commit has its delay, and a program starts two of them."""

import os
import shlex
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

SERVICE = r"""
import asyncio, random
from pathlib import Path

DELAY_S = float((Path(__file__).parent / "delay").read_text())

async def answer(reader, writer):
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(DELAY_S * random.lognormvariate(0, 0.3))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except (OSError, asyncio.IncompleteReadError):
        writer.close()

async def serve():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"""
HOOK = """
import os, signal, subprocess, sys
from pathlib import Path

started = Path({started!r})
if sys.argv[1] == "stop":
    for pid in started.read_text().split() if started.exists() else ():
        os.kill(int(pid), signal.SIGTERM)
    started.unlink(missing_ok=True)
else:
    for name, folder in (("base", "TORIL_BASE_DIR"), ("head", "TORIL_HEAD_DIR")):
        program = [sys.executable, os.environ[folder] + "/service.py"]
        process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        port = process.stdout.readline().decode().strip()
        if not port:
            sys.exit("the service did not start")
        with started.open("a") as file:
            file.write(f"{{process.pid}} ")
        print(f"{{name}}=http://127.0.0.1:{{port}}")
"""


def repository(folder: Path, delays_s: Sequence[float], broken: Collection[int] = ()) -> list[str]:
    """Makes a repository with a commit for each delay; returns their hashes. `broken` commits do not start."""
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    hashes = []
    for number, delay_s in enumerate(delays_s):
        (folder / "delay").write_text(f"{delay_s}\n")
        (folder / "service.py").write_text(("no Python\n" if number in broken else "") + SERVICE + f"# {number}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"Commit {number}")
        hashes.append(git(folder, "rev-parse", "HEAD"))
    return hashes


def hook(folder: Path) -> str:
    """Writes the program that starts two commits; returns its command."""
    (folder / "hook.py").write_text(HOOK.format(started=str(folder / "started")))
    return shlex.join([sys.executable, str(folder / "hook.py")])


def git(folder: Path, *command: str) -> str:
    """Returns the output of git, without the user's configuration."""
    own = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", *own, *command], cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, **nobody}
    )
    return done.stdout.strip()
