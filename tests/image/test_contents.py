"""The content of the image: users, rights, packages and the bill of materials."""

import json

import pytest

from tests.image.contained import podman, run_script, task_options
from toril import __version__

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("image"), pytest.mark.timeout(600)]

LOOK = """
import json, os, pathlib, shutil, stat
found = {"writable": [], "privileged": [], "secrets": [], "uncompiled": []}
for folder, folders, files in os.walk("/"):
    if folder in ("/proc", "/sys", "/dev"):
        folders[:], files = [], []
    for name in [*folders, *files]:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        if status.st_mode & 0o002 and not stat.S_ISLNK(status.st_mode) and not status.st_mode & stat.S_ISVTX:
            found["writable"].append(path)
        if status.st_mode & 0o6000 and not stat.S_ISDIR(status.st_mode):
            found["privileged"].append(path)
for source in pathlib.Path("/opt/toril/lib").rglob("*.py"):
    cached = source.parent / "__pycache__"
    if not list(cached.glob(f"{source.stem}.*.pyc")):
        found["uncompiled"].append(str(source))
found["tools"] = [name for name in ("pip", "pip3", "uv", "gcc", "cc", "make", "curl", "mvn") if shutil.which(name)]
found["modules"] = [name for name in ("pip", "Cython") if __import__("importlib.util").util.find_spec(name)]
found["secrets"] = [str(path) for path in pathlib.Path("/run/secrets").rglob("*")]
found["user"] = [os.getuid(), os.getgid(), os.getgroups()]
found["volumes"] = {path: [os.stat(path).st_uid, os.access(path, os.W_OK)] for path in ("/tmp", "/home/toril")}
found["root"] = [path for path in ("/", "/opt/toril", "/var/tmp", "/run", "/etc") if os.access(path, os.W_OK)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(slim):
    return run_script(slim, LOOK)


def test_the_image_runs_unprivileged_and_only_its_volumes_are_writable(found):
    assert found["user"] == [10001, 10001, [10001]]
    assert found["volumes"] == {"/tmp": [10001, True], "/home/toril": [10001, True]}
    assert (found["root"], found["writable"], found["privileged"]) == ([], [], [])


def test_the_image_has_no_build_tools_and_no_build_secrets(found):
    assert (found["tools"], found["modules"], found["secrets"]) == ([], [], [])


def test_every_module_is_compiled(found):
    assert found["uncompiled"] == []


def test_the_labels_have_version_commit_and_bill_of_materials(slim):
    labels = json.loads(podman("image", "inspect", slim, "--format", "{{json .Labels}}").stdout)
    assert labels["org.opencontainers.image.version"] == __version__
    assert len(labels["org.opencontainers.image.revision"].removesuffix("-dirty")) == 40
    assert labels["io.toril.sbom"] == "/usr/share/toril/sbom.cdx.json"


@pytest.mark.parametrize("target", ["slim", "full"])
def test_the_bill_of_materials_lists_packages_of_every_kind(target, request):
    image = request.getfixturevalue(target)
    document = run_script(image, "print(open('/usr/share/toril/sbom.cdx.json').read())")
    purls = {one["purl"] for one in document["components"]}
    kinds = {purl.split("/")[0] for purl in purls}
    assert document["bomFormat"] == "CycloneDX"
    assert {"pkg:pypi/bzt@1.17.2", f"pkg:pypi/toril@{__version__}"} <= purls
    assert any(purl.startswith("pkg:deb/debian/python3") for purl in purls)
    assert not any(purl.startswith("pkg:pypi/pip@") for purl in purls)
    jars = [one for one in document["components"] if one["name"] == "groovy"]
    assert bool(jars) == (target == "full") == ("pkg:generic" in kinds)


def test_the_coordinators_command_is_on_the_path(slim):
    done = podman("run", "--rm", *task_options("none"), "--entrypoint=toril", slim, "--help")
    assert "Usage: toril" in done.stdout


@pytest.mark.parametrize("modules", ["boto3, bzt.cli, toril.cli, toril.worker.main", "locust", "apiritif"])
def test_the_image_has_the_modules_of_workers_and_coordinators(slim, modules):
    assert run_script(slim, f"import json, {modules}; print(json.dumps(True))")


def test_java_is_the_locked_one_and_starts(full):
    script = """
import json, subprocess
done = subprocess.run(["/opt/java/bin/java", "-Xshare:on", "-version"], capture_output=True, text=True)
print(json.dumps([done.returncode, done.stderr]))
"""
    code, text = run_script(full, script)
    assert code == 0, text  # with -Xshare:on, Java does not start without the class archive
