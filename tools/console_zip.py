"""Builds the zip of the console's Lambda function, and beside it the static files for its bucket.

    python -m tools.console_zip           # dist/console-arm64.zip and dist/console-arm64.static/
    python -m tools.console_zip --architecture x86-64 --python 3.11

The zip has the locked packages of requirements/console.txt, toril's wheel, and their bytecode if the running Python
has the function's version. Equal sources give an equal zip. Its comment is a manifest in JSON, which `infra` reads.
"""

import argparse
import compileall
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from toril.console.static import assets

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = {"arm64": "aarch64", "x86-64": "x86_64"}
PYTHONS = ("3.12", "3.13", "3.14")  # Lambda's runtimes on Amazon Linux 2023; older ones lack the wheels' glibc
USUAL = "3.13"
LARGEST = 250 * 2**20  # Lambda's limit of the unzipped files
TIME = (2026, 1, 1, 0, 0, 0)  # of all members, so that equal contents give an equal zip
UNUSED_FILES = {".c", ".exe", ".h", ".pxd", ".pyi", ".pyx"}
UNUSED_FOLDERS = (
    "bin",
    "boto3/examples",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/f2py",
    "numpy/random/lib",
    "pygments",  # rich colours source code with it
)
KEPT_METADATA = {"METADATA", "entry_points.txt"}  # of a package; the other files name this machine's folders
# AWS services that the console calls; the models of all others are most of botocore.
SERVICES = {
    "cloudwatch",
    "ec2",
    "ecr",
    "ecs",
    "logs",
    "s3",
    "scheduler",
    "secretsmanager",
    "service-quotas",
    "ssm",
    "sts",
}


def build(architecture: str, python: str, out: Path) -> dict[str, Any]:
    """Writes the zip and the folder of static files. Returns the manifest and the sizes."""
    with tempfile.TemporaryDirectory(prefix="toril-console-") as scratch:
        folder = Path(scratch, "function")
        _install(folder, architecture, python, Path(scratch, "wheel"))
        _trim(folder)
        compiled = f"{sys.version_info[0]}.{sys.version_info[1]}" == python
        if compiled:
            _compile(folder)
        static = _put_static_files(out.with_suffix(".static"))
        manifest = {"architecture": architecture, "python": python, "static": static, "bytecode": compiled}
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        unzipped = sum(file.stat().st_size for file in files)
        if unzipped > LARGEST:
            raise SystemExit(f"The unzipped function has {unzipped:,} bytes; Lambda accepts {LARGEST:,}.")
        beside = out.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.comment = json.dumps(manifest, sort_keys=True).encode()
            for file in files:
                member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), TIME)
                member.external_attr = 0o644 << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, file.read_bytes())
        beside.replace(out)
    return {**manifest, "unzipped": unzipped, "zipped": out.stat().st_size}


def _install(folder: Path, architecture: str, python: str, wheels: Path) -> None:
    """Installs the locked packages for the function's machine, and toril's wheel."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools/uv/bin/uv")
    target = ["--target", str(folder), "--python-platform", f"{PLATFORMS[architecture]}-manylinux_2_34"]
    into = [uv, "pip", "install", "--quiet", "--no-deps", "--python-version", python, "--only-binary", ":all:", *target]
    locked = ["--require-hashes", "--requirement", str(ROOT / "requirements/console.txt")]
    pinned = ["--build-constraints", str(ROOT / "requirements/build.txt")]
    subprocess.run([*into, *locked], check=True)
    subprocess.run([uv, "build", "--quiet", "--wheel", *pinned, "--out-dir", str(wheels), str(ROOT)], check=True)
    subprocess.run([*into, *map(str, wheels.glob("toril-*.whl"))], check=True)


def _trim(folder: Path) -> None:
    """Removes files that the function never reads."""
    for name in [*UNUSED_FOLDERS, *(str(one.relative_to(folder)) for one in folder.rglob("tests"))]:
        shutil.rmtree(folder / name, ignore_errors=True)
    for model in (folder / "botocore/data").iterdir():
        if model.is_dir() and model.name not in SERVICES:
            shutil.rmtree(model)
    for file in folder.rglob("*"):
        described = file.parent.name.endswith(".dist-info")
        if file.is_file() and (file.suffix in UNUSED_FILES or (described and file.name not in KEPT_METADATA)):
            file.unlink()


def _put_static_files(out: Path) -> dict[str, str]:
    """Writes the static files below `out`. Returns the media type of each path."""
    shutil.rmtree(out, ignore_errors=True)
    for asset in assets().values():
        (out / asset.path).parent.mkdir(parents=True, exist_ok=True)
        (out / asset.path).write_bytes(asset.content)
    return {asset.path: asset.media_type for asset in assets().values()}


def _compile(folder: Path) -> None:
    """Writes bytecode that Python does not compare with its source, since the zip's times are fixed."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    done = compileall.compile_dir(
        folder, quiet=1, workers=0, stripdir=str(folder), prependdir="/var/task", invalidation_mode=unchecked
    )
    if not done:
        raise SystemExit("Some modules of the function could not be compiled.")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.console_zip", description="Build the console's function.")
    parser.add_argument("--architecture", choices=PLATFORMS, default="arm64", help="Processor of the function.")
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    usual = running if running in PYTHONS else USUAL
    parser.add_argument("--python", default=usual, metavar="VERSION", help=f"Python of the function. Here: {usual}.")
    parser.add_argument("--out", type=Path, help="The zip. Default: dist/console-<architecture>.zip.")
    options = parser.parse_args(arguments)
    out = options.out or ROOT / "dist" / f"console-{options.architecture}.zip"
    built = build(options.architecture, options.python, out)
    if not built["bytecode"]:
        print(
            f"No bytecode: this is Python {running}, so first requests take longer. Use a Python {options.python} to "
            "include it.",
            file=sys.stderr,
        )
    print(f"{out}: Python {built['python']}, {built['architecture']}, {built['zipped']:,} bytes")


if __name__ == "__main__":
    main()
