"""The zip of the console's function: what the hub's stack accepts, and what `make console-zip` builds for AWS."""

import json
import struct
import zipfile

import pytest

from infra.hub.console_package import find_package
from infra.settings import SettingError
from infra.settings.console import Console
from tests.infra.packages import STATIC, package
from tools.console_zip import LARGEST, build

MACHINES = {"arm64": 183, "x86-64": 62}  # ELF: EM_AARCH64, EM_X86_64
LARGEST_UPLOAD = 50 * 2**20  # of a zip in Lambda's API


def console(path, architecture="arm64"):
    return Console(admin="ada@example.com", architecture=architecture, package=str(path))


def test_the_stack_reads_runtime_and_static_files_from_the_zip():
    found = find_package(console(package()))
    assert found.runtime == "python3.13"
    assert found.static == STATIC
    assert all((found.folder / path).is_file() for path in found.static)


def test_a_missing_foreign_or_wrong_zip_is_an_error_with_the_command(tmp_path):
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    wrong = [
        (console(tmp_path / "none.zip"), "does not exist. Run `make console-zip`."),
        (console(tmp_path / "text.zip"), "is not a zip of the console"),
        (console(tmp_path / "other.zip"), "is not a zip of the console"),
        (console(package(), "x86-64"), "is for arm64, not for x86-64. Run `make console-zip ARCHITECTURE=x86-64`."),
    ]
    for settings, message in wrong:
        with pytest.raises(SettingError, match="toril:console") as refused:
            find_package(settings)
        assert message in str(refused.value)


@pytest.mark.nightly
@pytest.mark.live
@pytest.mark.parametrize("architecture", MACHINES)
def test_the_zip_for_aws_has_only_that_machines_code_and_is_small_enough(architecture, tmp_path):
    path = tmp_path / "console.zip"
    built = build(architecture, "3.13", path)
    assert built["zipped"] == path.stat().st_size < LARGEST_UPLOAD
    assert built["unzipped"] < LARGEST
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        headers = [archive.open(name).read(20) for name in names if name.endswith(".so") or ".so." in name]
        assert not [name for name in names if name.startswith(("bzt", "locust", "pulumi", "pytest"))]
        assert {"toril/console/aws_lambda.py", "boto3/session.py", "cryptography/__init__.py"} <= {*names}
        assert json.loads(archive.comment)["static"].keys() == {
            file.relative_to(path.with_suffix(".static")).as_posix()
            for file in path.with_suffix(".static").rglob("*.*")
        }
    assert len(headers) > 10
    assert {struct.unpack_from("<H", header, 18)[0] for header in headers} == {MACHINES[architecture]}
    first = path.read_bytes()
    build(architecture, "3.13", path)
    assert path.read_bytes() == first
