"""The files of the console that `make console-zip` builds: the function's zip, and beside it its static files."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.settings.common import SettingError
from infra.settings.console import Console

ROOT = Path(__file__).resolve().parents[2]
FIX = "Run `make console-zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A built zip. `static`: the media type of each static file, by its path below `/static/`."""

    path: Path
    runtime: str
    static: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The folder with the static files."""
        return self.path.with_suffix(".static")


def find_package(settings: Console) -> Package:
    """Returns the zip and its manifest. Raises SettingError if it is not built, or for another processor."""
    path = ROOT / (settings.package or f"dist/console-{settings.architecture}.zip")
    fix = f"{FIX} ARCHITECTURE={settings.architecture}`." if settings.architecture != "arm64" else f"{FIX}`."
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.comment)
            built_for, python, static = (manifest[name] for name in ("architecture", "python", "static"))
    except FileNotFoundError:
        raise SettingError(f"toril:console: {path} does not exist. {fix}") from None
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise SettingError(f"toril:console: {path} is not a zip of the console: {error}. {fix}") from error
    if built_for != settings.architecture:
        raise SettingError(
            f"toril:console.architecture: {path} is for {built_for}, not for {settings.architecture}. {fix}"
        )
    return Package(path=path, runtime=f"python{python}", static=dict(static))
