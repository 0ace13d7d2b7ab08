"""The wheels of a lock: pip downloads them once, and the store keeps each of them once for all runs."""

import hashlib
import sys
import time
from datetime import timedelta

import pytest

from tests.refusals import refused
from tests.suite.reading import read, write
from tests.wheels import wheel
from toril.desk import desk_of, push
from toril.desk.runs import prune
from toril.plan import make_plan
from toril.records import Plan, package_key
from toril.records.agent import Announcement, announcement_key
from toril.runs import packages
from toril.runs.publish import local_version, publish
from toril.runs.suites import current
from toril.store import FolderStore
from toril.suite.packages import image_platform, this_platform

ARM, X86 = (image_platform(arch) for arch in ("arm64", "x86_64"))
NATIVE = "cp313-cp313-manylinux_2_28_"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder in place of a package index; pip's configuration of this machine does not count."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, value in {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "store")


def suite(folder, *lines, on="fargate", **changes):
    write(folder, "", "load.py")
    write(folder, "".join(lines), "requirements.txt")
    execution = {"scenario": {"script": "load.py"}, "executor": "locust", **changes}
    return read(folder, {"execution": [execution], "toril": {"python": "requirements.txt"}}, on=on)


def published(store, read_suite, run_id="r", on="fargate") -> Plan:
    return publish(store, read_suite, make_plan(read_suite, run_id=run_id, workers=None, on=on))


def test_a_run_has_the_wheels_of_its_workers_platform(tmp_path, index, store):
    native = wheel(index, "fast", {"fast.py": ""}, tag=f"{NATIVE}aarch64")
    wheel(index, "fast", {"fast.py": "x86"}, tag=f"{NATIVE}x86_64")
    other = wheel(index, "mac", {}).replace(" \\", " ; sys_platform == 'darwin' \\")
    plan = published(store, suite(tmp_path / "s", wheel(index, "shopkit", {"shopkit.py": ""}), native, other))
    (wheels,) = plan.packages.values()
    assert [*plan.packages] == [ARM]
    assert sorted(wheels) == [f"fast-1.2-{NATIVE}aarch64.whl", "shopkit-1.2-py3-none-any.whl"]
    for sha256 in wheels.values():
        assert hashlib.sha256(store.get(package_key(sha256))).hexdigest() == sha256
    assert Plan.from_json(store.get("runs/r/plan.json"), "plan").packages == plan.packages


def test_private_locations_get_the_wheels_of_both_images(tmp_path, index, store):
    line = wheel(index, "shopkit", {"shopkit.py": ""})
    plan = published(store, suite(tmp_path / "s", line, locations={"office": 1, "eu-west-1": 1}, concurrency=2))
    assert sorted(plan.packages) == [ARM, X86]


def test_agents_get_the_wheels_of_their_platforms(tmp_path, index, store):
    lines = wheel(index, "shopkit", {"shopkit.py": ""}), wheel(index, "fast", {}, tag="cp311-cp311-manylinux1_x86_64")
    for number, (location, platform) in enumerate(
        {"office": "cp311-linux-x86_64", "home": "cp312-linux-x86_64"}.items()
    ):
        agent = Announcement(
            location=location, agent=f"a{number}", instance="1", at=0, slots=1, free=1, platform=platform
        )
        store.put(announcement_key(location, agent.agent), agent.to_json())
    plan = published(store, suite(tmp_path / "s", *lines, locations={"office": 1}, concurrency=1))
    assert {target: len(wheels) for target, wheels in plan.packages.items()} == {"cp311-linux-x86_64": 2}


@pytest.mark.parametrize("platform", ["../up", "cp313-linux-", "cp313-linux-x86_64/..", "--index-url=x"])
def test_an_agent_announces_no_other_text_as_its_platform(platform):
    with pytest.raises(ValueError, match="platform"):
        Announcement(location="office", agent="a", instance="1", at=0, slots=1, free=1, platform=platform)


def test_a_local_run_has_the_wheels_of_this_machine(tmp_path, index, store):
    line = wheel(index, "shopkit", {"shopkit.py": ""})
    plan = published(store, suite(tmp_path / "s", line, on="local"), on="local")
    assert [*plan.packages] == [this_platform(local=True)]


def test_wheels_are_downloaded_and_stored_once(tmp_path, index, store, monkeypatch):
    read_suite = suite(tmp_path / "s", wheel(index, "shopkit", {"shopkit.py": ""}))
    (key,) = (package_key(sha256) for sha256 in published(store, read_suite).packages[ARM].values())
    written = (tmp_path / "store" / key).stat().st_mtime_ns
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    published(store, read_suite, "again")
    assert (tmp_path / "store" / key).stat().st_mtime_ns == written
    monkeypatch.setattr(packages, "RENEWED_S", -60)
    published(store, read_suite, "late")  # before the bucket deletes it by its age
    assert (tmp_path / "store" / key).stat().st_mtime_ns > written


def test_old_packages_are_pruned_with_old_runs(tmp_path, index, store):
    published(store, suite(tmp_path / "s", wheel(index, "shopkit", {"shopkit.py": ""})))
    for later, left in ((timedelta(hours=20), 1), (timedelta(hours=30), 0)):
        prune(store, timedelta(0), time.time() + later.total_seconds())
        assert len([*store.keys(package_key(""))]) == left


def test_a_pushed_suite_brings_its_wheels_along(tmp_path, index, store, monkeypatch):
    version = push(desk_of(store, "ada"), suite(tmp_path / "s", wheel(index, "shopkit", {"shopkit.py": ""})))
    assert f"wheels/{ARM}/shopkit-1.2-py3-none-any.whl" in version.files
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "coordinator"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "gone"))
    with local_version(store, current(store, "s")) as local:
        plan = published(store, packages_suite(local.paths))
    assert len(plan.packages[ARM]) == 1
    assert not any(name.endswith(".whl") for name in plan.files)


def packages_suite(paths):
    from toril.suite import read_suite

    return read_suite(paths, on="fargate", system={})


@pytest.mark.parametrize("tag", [f"{NATIVE}x86_64", "cp39-cp39-manylinux_2_28_aarch64", "cp313-cp313-win_arm64"])
def test_a_package_without_a_wheel_for_the_workers_is_refused(tmp_path, index, store, tag):
    read_suite = suite(tmp_path / "s", wheel(index, "fast", {"fast.py": ""}, tag=tag))
    with refused("no-wheels", ARM, "fast==1.2"):
        published(store, read_suite)
    assert not [*store.keys("runs/")]


def test_other_contents_than_the_locks_are_refused(tmp_path, index, store):
    line = wheel(index, "shopkit", {"shopkit.py": ""})
    wheel(index, "shopkit", {"shopkit.py": "changed"})
    with refused("no-wheels", ARM):
        published(store, suite(tmp_path / "s", line))


def test_credentials_of_an_index_are_in_no_message(tmp_path, index, store, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://ada:hunter2hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    read_suite = suite(tmp_path / "s", wheel(tmp_path / "elsewhere", "shopkit", {}))
    with refused("no-wheels", ARM) as caught:
        published(store, read_suite)
    assert "hunter2" not in str(caught.value)


def test_the_size_of_packages_has_a_limit(tmp_path, index, store, monkeypatch):
    monkeypatch.setattr(packages, "MOST_BYTES", 100)
    with refused("too-large", "toril.python"):
        published(store, suite(tmp_path / "s", wheel(index, "shopkit", {"shopkit.py": ""})))


def test_without_pip_the_message_says_so(tmp_path, index, store, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused("no-pip"):
        published(store, suite(tmp_path / "s", wheel(index, "shopkit", {"shopkit.py": ""})))
