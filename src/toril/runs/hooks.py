"""Programs of the user that a command starts: those that exchange deployments, and start the targets of a duet."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from toril.errors import OptionError


def run_hook(command: str, arguments: Sequence[str], environment: Mapping[str, str], limit_s: float) -> str:
    """Runs a command without a shell, and returns its standard output.

    `command` is split as a shell would; `arguments` follow it. `environment` is added to the own one. OptionError
    `hook-failed` if it cannot be started, fails, or takes longer than `limit_s` seconds.
    """
    line = [*shlex.split(command), *arguments]
    try:
        done = subprocess.run(
            line, stdout=subprocess.PIPE, text=True, env=os.environ | environment, timeout=limit_s, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OptionError(f"{command}: {error}. Correct the command.", code="hook-failed") from error
    return done.stdout
