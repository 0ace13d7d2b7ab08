"""Writes an image's components as CycloneDX: sbom.py FILE --python FOLDER… [--go PROGRAM --java HOME --jars FOLDER…].

Runs in the image, with Debian's Python only, and lists the components that it finds there.
"""

import argparse
import hashlib
import json
import platform
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

VERSIONED = re.compile(r"(.+?)-v?(\d.*)")


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("file", type=Path, help="File to write.")
    arguments.add_argument("--python", type=Path, nargs="+", required=True, help="Folders of installed packages.")
    arguments.add_argument("--go", type=Path, help="Program built by Go.")
    arguments.add_argument("--java", type=Path, help="Home of a Java run-time.")
    arguments.add_argument("--jars", type=Path, nargs="+", default=[], help="Folders with jars.")
    options = arguments.parse_args()
    found = [*_debian(Path("/var/lib/dpkg/status")), *(one for folder in options.python for one in _python(folder))]
    found += _go(options.go) if options.go else []
    found += _java(options.java) if options.java else []
    found += [one for folder in options.jars for one in _jars(folder)]
    found = list({one["bom-ref"]: one for one in found}.values())  # a package may occur twice
    options.file.parent.mkdir(parents=True, exist_ok=True)
    options.file.write_text(json.dumps(document(found), indent=1) + "\n")


def document(components: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the document, sorted and without a date, so that equal images have equal documents."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": sorted(components, key=lambda one: str(one["bom-ref"])),
    }


def _component(name: str, version: str, purl: str, **more: Any) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, **more}


def _debian(status: Path) -> Iterator[dict[str, Any]]:
    release = platform.freedesktop_os_release()
    for paragraph in status.read_text().strip().split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields["Status"] == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            distribution = f"{release['ID']}-{release['VERSION_ID']}"
            where = f"arch={fields['Architecture']}&distro={distribution}"
            yield _component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?{where}")


def _python(folder: Path) -> Iterator[dict[str, Any]]:
    for file in folder.glob("*.dist-info/METADATA"):
        fields = HeaderParser().parsestr(file.read_text(errors="replace"))
        name, version = re.sub(r"[-_.]+", "-", fields["Name"]).lower(), fields["Version"]
        licence = fields["License-Expression"]
        more = {"licenses": [{"expression": licence}]} if licence else {}
        yield _component(name, version, f"pkg:pypi/{quote(name)}@{quote(version)}", **more)


def _go(program: Path) -> Iterator[dict[str, Any]]:
    """Returns Go itself and the modules of a program, which Go records in it."""
    text = program.read_bytes()
    if version := re.search(rb"Go buildinf:.{16,24}?go(\d[\d.]*)", text, re.DOTALL):
        yield _component("go", version[1].decode(), f"pkg:golang/stdlib@{version[1].decode()}")
    for module, number in re.findall(rb"\ndep\t(\S+)\t(v\S+)", text):
        name, version_of_it = module.decode(), number.decode()
        yield _component(name, version_of_it, f"pkg:golang/{quote(name)}@{quote(version_of_it)}")


def _java(home: Path) -> list[dict[str, Any]]:
    release = dict(line.split("=", 1) for line in (home / "release").read_text().splitlines() if "=" in line)
    version = release["JAVA_VERSION"].strip('"')
    return [_component("openjdk", version, f"pkg:generic/openjdk@{quote(version)}")]


def _jars(folder: Path) -> Iterator[dict[str, Any]]:
    """Returns the jars, with name and version from the file name, and their hashes."""
    for jar in folder.rglob("*.jar"):
        split = VERSIONED.fullmatch(jar.stem)
        name, version = split.groups() if split else (jar.stem, "")
        digest = hashlib.sha256(jar.read_bytes()).hexdigest()
        purl = f"pkg:generic/{quote(jar.stem)}?checksum=sha256:{digest}"
        yield _component(name, version, purl, hashes=[{"alg": "SHA-256", "content": digest}])


if __name__ == "__main__":
    main()
