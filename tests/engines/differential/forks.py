"""Runs toril's wrapper of Apiritif for several scripts in forks of one process: its imports take longer than a script.

Started by path: `python forks.py WRAPPER SETTINGS…`.
"""

import os
import runpy
import sys
from pathlib import Path

import apiritif.loadgen  # noqa: F401  # what the wrapper imports
import nose2.main  # type: ignore[import-untyped]  # noqa: F401

AT_ONCE = 4


def main(wrapper: str, settings: list[str]) -> int:
    codes, running = [], 0
    for path in settings:
        if running == AT_ONCE:
            codes.append(os.wait()[1])
            running -= 1
        if os.fork() == 0:
            os.chdir(Path(path).parent)
            sys.argv = [wrapper, path]
            runpy.run_path(wrapper, run_name="__main__")
            os._exit(70)
        running += 1
    codes += [os.wait()[1] for _ in range(running)]
    return sum(map(bool, codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
