"""Packages of scripts: the lock of `toril.python`, imports that workers lack, and jars of JMeter's plug-ins."""

from pathlib import Path

import pytest

from tests.suite.reading import codes, read, refuses, write
from tests.wheels import wheel
from tools import image_packages as table
from toril.runs.packages import GLIBC
from toril.suite.imports import image_packages, modules_in
from toril.suite.packages import find_wheels, image_platform, wheel_folders

HASH = "a" * 64
LOCKED = f"shopkit==1.2 --hash=sha256:{HASH}"
IMAGE = image_platform("arm64")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def suite(folder, lock=None, script="", **ours):
    write(folder, script, "load.py")
    if lock is not None:
        write(folder, lock, "requirements.txt")
        ours["python"] = "requirements.txt"
    return {"execution": [{"scenario": {"script": "load.py"}, "executor": "locust"}], "toril": ours}


def test_a_lock_has_the_names_versions_and_hashes_of_packages(tmp_path):
    text = f"""# by uv
Shop_Kit==1.2 ; sys_platform == 'linux' \\
    --hash=sha256:{HASH} \\
    --hash=sha256:{"b" * 64}   # via nothing

other[all]==0.3.post1 --hash=sha256:{"c" * 64}
"""
    suite_read = read(tmp_path, suite(tmp_path, text))
    assert [(one.name, one.pin, len(one.hashes)) for one in suite_read.lock] == [
        ("shop-kit", "Shop_Kit==1.2", 2),
        ("other", "other==0.3.post1", 1),
    ]
    assert "requirements.txt" in {path.name for path in suite_read.named}  # another lock is another run


@pytest.mark.parametrize(
    "line",
    [
        "shopkit==1.2",
        "shopkit==1.2 --hash=md5:abc",
        f"shopkit --hash=sha256:{HASH}",
        f"shopkit>=1.2 --hash=sha256:{HASH}",
        f"shopkit==1.* --hash=sha256:{HASH}",
        f"shopkit==1.2,!=1.3 --hash=sha256:{HASH}",
        f"shopkit @ https://shop.test/shopkit.whl --hash=sha256:{HASH}",
        "--index-url https://user:secret@index.test/simple",
        "--extra-index-url=https://user:secret@index.test/simple",
        "https://user:secret@index.test/shopkit-1.2-py3-none-any.whl",
        "-r others.txt",
        "./shopkit",
        "\x00",
    ],
)
def test_a_line_that_does_not_fix_the_contents_of_a_package_is_refused(tmp_path, line):
    error = refuses(tmp_path, suite(tmp_path, f"{LOCKED}\n{line}\n"), "unlocked-packages", "requirements.txt")
    assert "secret" not in str(error)


def test_workers_keep_their_own_packages_of_engines(tmp_path):
    suite_read = read(tmp_path, suite(tmp_path, f"{LOCKED}\nlocust==1.0 --hash=sha256:{HASH}\n"))
    assert codes(suite_read.warnings) == ["own-packages"]
    assert [one.name for one in suite_read.lock] == ["shopkit"]


def test_a_marker_is_judged_for_the_workers_platform(tmp_path):
    lines = (
        f"{name}==1 ; {marker} --hash=sha256:{HASH}"
        for name, marker in {
            "arm": "platform_machine == 'aarch64'",
            "x86": "platform_machine == 'x86_64'",
            "mac": "sys_platform == 'darwin'",
            "new": "python_full_version >= '3.13'",
            "old": "python_version < '3.13'",
        }.items()
    )
    lock = read(tmp_path, suite(tmp_path, "\n".join(lines))).lock
    assert {one.name for one in lock if one.is_for(IMAGE)} == {"arm", "new"}
    assert {one.name for one in lock if one.is_for(image_platform("x86_64"))} == {"x86", "new"}
    assert {one.name for one in lock if one.is_for("cp312-darwin-arm64")} == {"mac", "old"}


def test_the_platform_of_the_image_has_its_version_of_python():
    dockerfile = (Path(__file__).parents[2] / "image" / "Dockerfile").read_text()
    assert "debian:trixie-" in dockerfile  # with Python 3.13 and glibc 2.41
    assert {name.partition("-")[0] for name in (IMAGE, image_platform("x86_64"))} == {"cp313"}
    assert GLIBC == 41


def test_wheels_of_a_lock_are_found_by_their_hashes_in_one_folder(tmp_path):
    lines = [wheel(tmp_path / "one", name, {f"{name}.py": name}) for name in ("shopkit", "other")]
    wheel(tmp_path / "two", "shopkit", {"shopkit.py": "changed"})
    wheel(tmp_path / "two", "other", {"other.py": "other"})
    lock = read(tmp_path / "suite", suite(tmp_path / "suite", "".join(lines))).lock
    assert find_wheels(lock, IMAGE, [tmp_path / "two"]) is None
    found = find_wheels(lock, IMAGE, [tmp_path / "none", tmp_path / "two", tmp_path / "one"])
    assert {path.parent.name for path in (found or {}).values()} == {"one"}
    assert sorted(found or {}) == ["other-1.2-py3-none-any.whl", "shopkit-1.2-py3-none-any.whl"]


def test_wheels_are_not_copied_with_the_suites_files(tmp_path):
    document = suite(tmp_path, wheel(tmp_path / "wheels" / IMAGE, "shopkit", {"shopkit.py": ""}))
    assert {path.parts[0] for path in read(tmp_path, document).files} == {"suite.yml", "load.py", "requirements.txt"}
    del document["toril"]
    assert "wheels" in {path.parts[0] for path in read(tmp_path, document).files}


# ── imports


SURE = [
    "import absent",
    "import os, absent.more",
    "from absent import x",
    "def f():\n import absent",
    "class A:\n import absent",
]
UNSURE = [
    "try:\n import absent\nexcept ImportError:\n absent = None",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n import absent",
    "import sys\nif sys.version_info < (3, 9):\n import absent",
    "from contextlib import suppress\nwith suppress(ImportError):\n import absent",
    "import sys\nsys.path.append('lib')\nimport absent",
    "from . import absent",
    "import local, package.part, locust, yaml, __main__, toril.clients",
    "import absent\n(",
]


@pytest.mark.parametrize("script", SURE)
def test_a_module_that_no_worker_has_is_named(tmp_path, script):
    (warning,) = read(tmp_path, suite(tmp_path, script=script), on="fargate").warnings
    assert warning.code == "missing-import"
    assert "absent" in warning.message
    assert "load.py" in warning.message


@pytest.mark.parametrize("script", UNSURE)
def test_an_import_that_may_succeed_or_be_left_out_is_no_warning(tmp_path, script):
    write(tmp_path, "", "local.py")
    write(tmp_path, "", "package/part.py")
    assert not read(tmp_path, suite(tmp_path, script=script), on="fargate").warnings


def test_imports_of_files_beside_a_script_are_followed(tmp_path):
    write(tmp_path, "from helpers import cart", "load.py")
    document = suite(tmp_path, script="import helpers")
    write(tmp_path, "import absent", "helpers/__init__.py")
    (warning,) = read(tmp_path, document, on="fargate").warnings
    assert (warning.code, "helpers/__init__.py" in warning.message) == ("missing-import", True)


def test_scripts_of_setup_and_teardown_are_read_for_imports(tmp_path):
    write(tmp_path, "import absent\ndef setup(): pass", "prepare.py")
    document = suite(tmp_path, setup="prepare.py")
    assert codes(read(tmp_path, document, on="fargate").warnings) == ["missing-import"]


def test_modules_of_this_machine_count_for_local_runs_alone(tmp_path):
    document = suite(tmp_path, script="import hypothesis")
    assert not read(tmp_path, document).warnings
    assert codes(read(tmp_path, document, on="fargate").warnings) == ["missing-import"]


def test_packages_that_are_not_downloaded_yet_may_have_any_module(tmp_path):
    script = "import shopkit, absent"
    line = wheel(tmp_path / "there", "shopkit", {"shopkit/__init__.py": "", "shopkit-1.2.data/purelib/kit.py": ""})
    document = suite(tmp_path, line, script=script)
    suite_read = read(tmp_path, document, on="fargate")
    assert not suite_read.warnings
    for folder in wheel_folders(tmp_path, suite_read.lock, IMAGE):
        wheel(folder, "shopkit", {"shopkit/__init__.py": "", "shopkit-1.2.data/purelib/kit.py": ""})
        (warning,) = read(tmp_path, document, on="fargate").warnings
        assert "absent" in warning.message
        (path,) = folder.glob("*.whl")
        assert {"shopkit", "kit"} <= modules_in(path)
        path.unlink()


def test_the_table_of_the_images_packages_has_the_packages_of_its_locks():
    assert [*image_packages()] == table.names()
    assert image_packages()["pyyaml"] == ["_yaml", "yaml"]


# ── jars


def test_jars_are_files_of_the_suite_and_on_jmeters_search_path(tmp_path):
    for name in ("plugins/a.jar", "plugins/b.jar", "c.jar"):
        write(tmp_path, "", name)
    properties = {"modules": {"jmeter": {"properties": {"search_paths": "/own.jar", "x": 1}}}}
    document = {**suite(tmp_path, jars=["plugins/*.jar", "c.jar"]), **properties}
    document["execution"] = [{"scenario": {"requests": ["/"]}, "concurrency": 1, "iterations": 1}]
    suite_read = read(tmp_path, document, on="fargate")
    assert suite_read.common["modules"]["jmeter"]["properties"] == {
        "search_paths": "/own.jar;plugins/a.jar;plugins/b.jar;c.jar",
        "x": 1,
    }
    assert {"c.jar", "plugins/a.jar"} <= {path.as_posix() for path in suite_read.named}


def test_jars_without_effect_or_file_are_named(tmp_path):
    write(tmp_path, "", "a.jar")
    assert codes(read(tmp_path, suite(tmp_path, jars="a.jar")).warnings) == ["ignored-key"]
    refuses(tmp_path, suite(tmp_path, jars=["plugins/*.jar"]), "no-such-file", "toril.jars[0]")
    document = {**suite(tmp_path), "modules": {"jmeter": {"plugins": ["jpgc-casutg"]}}}
    assert codes(read(tmp_path, document).warnings) == ["ignored-key"]
