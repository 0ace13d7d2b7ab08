"""Makes tiny wheels, and locks of them."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def wheel(folder: Path, name: str, files: Mapping[str, str], *, version: str = "1.2", tag: str = "py3-none-any") -> str:
    """Writes a wheel with these files. Returns its line in a lock."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    about = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in {**files, **{f"{name}-{version}.dist-info/{key}": about[key] for key in about}}.items():
            archive.writestr(zipfile.ZipInfo(inside), text)
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
