"""Removes from an environment what no worker uses: trim.py ENVIRONMENT.

Packages' own tests, type stubs, sources and debugging symbols of extensions. Modules are never removed one by one: what
a suite's scripts may import stays whole.
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
        if folder.parent != packages:  # keeps a package with the same name
            shutil.rmtree(folder, ignore_errors=True)
    for file in sorted(packages.rglob("*")):
        if file.suffix in NOT_RUN and file.is_file():
            file.unlink()
    for extension in sorted(packages.rglob("*.so")):
        told = subprocess.run(["readelf", "-d", extension], capture_output=True, text=True, check=True).stdout
        if "(RPATH)" not in told and "(RUNPATH)" not in told:  # one that was patched may not survive it
            subprocess.run(["strip", "--strip-unneeded", extension], check=True)


if __name__ == "__main__":
    main()
