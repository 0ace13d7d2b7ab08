"""Programs of the user that a command starts: those that exchange deployments, and start the targets of a duet."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from toril.errors import OptionError

SHOWN = 2000  # characters of a failed command's output


def run_hook(command: str, arguments: Sequence[str], environment: Mapping[str, str], limit_s: float) -> str:
    """Runs a command without a shell, and returns its standard output.

    `command` is split as a shell would; `arguments` follow it. `environment` is added to the own one. OptionError
    `hook-failed` if it cannot be started, fails, or takes longer than `limit_s` seconds.
    """
    output = ""
    try:
        line = [*shlex.split(command), *arguments]
        done = subprocess.run(
            line, stdout=subprocess.PIPE, text=True, env=os.environ | environment, timeout=limit_s, check=False
        )
        output, why = done.stdout, f"it ended with exit code {done.returncode}"
        if done.returncode == 0:
            return output
    except subprocess.TimeoutExpired as error:
        output, why = (error.stdout or b"").decode(errors="replace"), f"it took longer than {limit_s:g} s"
    except (OSError, ValueError, IndexError) as error:  # ValueError: an open quote; IndexError: an empty command
        why = str(error)
    printed = f" It printed:\n{output.strip()[-SHOWN:]}" if output.strip() else ""
    raise OptionError(f"{command}: {why}. Correct the command.{printed}", code="hook-failed")
