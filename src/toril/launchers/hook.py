"""Runs a fault's hook: `HOOK start`, then `HOOK stop` when standard input ends, as it does with the parent process.

A program of its own with a session of its own, so that neither Ctrl+C nor the end of its parent leaves a fault active.
It imports nothing of toril, because it must start quickly. Exit code 0 if both commands succeeded.
"""

import os
import select
import signal
import subprocess
import sys


def main(command: list[str]) -> int:
    started = subprocess.Popen([*command, "start"], stdin=subprocess.DEVNULL, start_new_session=True)
    while started.poll() in (None, 0) and not select.select([sys.stdin], [], [], 0.05)[0]:
        pass
    failed = started.poll()
    stopped = subprocess.run([*command, "stop"], stdin=subprocess.DEVNULL, check=False).returncode
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
    return failed or stopped


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
