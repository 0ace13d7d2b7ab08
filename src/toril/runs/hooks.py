"""Programs of the user that a command starts: those that exchange deployments, and start the targets of a duet."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from tempfile import TemporaryFile

from toril.errors import OptionError

MOST_BYTES = 1 << 20  # of its output
SHOWN = 2000  # characters of a failed command's output


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
            output = os.pread(printed.fileno(), MOST_BYTES, 0).decode(errors="replace")
    except (OSError, ValueError, IndexError) as error:  # ValueError: an open quote; IndexError: an empty command
        why = str(error)
    if code == 0:
        return output
    shown = f" It printed:\n{output.strip()[-SHOWN:]}" if output.strip() else ""
    raise OptionError(f"{command}: {why}. Correct the command.{shown}", code="hook-failed")
