"""Removes files that no worker uses from an environment: trim.py ENVIRONMENT.

These are packages' own tests, type stubs, and sources and debugging symbols of extensions. Modules all stay, since a
suite's scripts may import them.
"""

import shutil
import subprocess
import sys
from pathlib import Path

NOT_RUN = {".pyi", ".pyx", ".pxd", ".c", ".h", ".hpp", ".a", ".exe"}
NOT_USED = ("numpy/_core/include", "lxml/includes", "numpy/f2py/src")


def main() -> None:
    (packages,) = Path(sys.argv[1]).glob("lib/python3.*/site-packages")
    for folder in [*(packages / name for name in NOT_USED), *packages.rglob("tests")]:
        if folder.parent != packages:  # a top-level `tests` is a package itself
            shutil.rmtree(folder, ignore_errors=True)
    for file in sorted(packages.rglob("*")):
        if file.suffix in NOT_RUN and file.is_file():
            file.unlink()
    for extension in sorted(packages.rglob("*.so")):
        header = subprocess.run(["readelf", "-d", extension], capture_output=True, text=True, check=True).stdout
        if "(RPATH)" not in header and "(RUNPATH)" not in header:  # strip may damage a patched extension
            subprocess.run(["strip", "--strip-unneeded", extension], check=True)


if __name__ == "__main__":
    main()
