"""A share as files: the worker's copy of the suite, its rows, bzt's configuration, its environment."""

import hashlib
import importlib
import logging
import os
import sys
from pathlib import Path
from typing import cast

import pytest
from bzt.engine import Configuration

from tests.refusals import refused
from tests.wheels import wheel
from tests.worker.driver import RUN, plan_of, planned
from toril.engines import modules_of
from toril.errors import StoreError, SuiteError
from toril.records import package_key, run_key
from toril.store import FolderStore, Store
from toril.suite.engines import CASE_RUNNERS, ENGINES, RESULTS_LOADER
from toril.suite.packages import this_platform
from toril.worker import share
from toril.worker.taurus import Taurus

PLAN = plan_of(
    [planned("locust", "shop", concurrency=2, hold_for_s=5.0, delay_s=3.0)],
    {"shop": {"requests": ["http://127.0.0.1/"]}},
    workers=3,
    data_files=["data/users.csv"],
)


def split(tmp_path, text, plan=PLAN):
    parts = []
    for one in plan.shares:
        folder = tmp_path / one.worker
        (folder / "data").mkdir(parents=True)
        (folder / "data/users.csv").write_text(text)
        share.split_data(one, folder)
        parts.append((folder / "data/users.csv").read_text())
    return parts


def test_each_worker_gets_its_own_rows_and_the_header(tmp_path):
    rows = [f"user{n},secret{n}\n" for n in range(10)]
    parts = split(tmp_path, "name,password\n" + "".join(rows))
    assert all(part.startswith("name,password\n") for part in parts)
    own = [line for part in parts for line in part.splitlines(keepends=True)[1:]]
    assert sorted(own) == sorted(rows)


def test_a_quoted_line_break_does_not_split_a_record(tmp_path):
    rows = ['1,"two\nlines"\n', '2,"a ""quoted"" word"\n', "3,plain\n", '4,"x\n\ny"\n']
    parts = split(tmp_path, "id,text\n" + "".join(rows))
    assert sorted(part.removeprefix("id,text\n") for part in parts) == sorted([rows[0] + rows[3], rows[1], rows[2]])


def test_a_last_line_without_a_line_break_stays_a_record(tmp_path):
    assert split(tmp_path, "id\n1\n2\n3\n4") == ["id\n1\n4\n", "id\n2\n", "id\n3\n"]


FILES = {"suite.yml": b"execution: []", "workers/users.csv": b"a,b"}


def published(tmp_path, plan=PLAN):
    store = FolderStore(tmp_path / "store")
    for name, data in FILES.items():
        store.put(run_key(RUN, "suite", *name.split("/")), data)
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    return store, plan.model_copy(update={"files": listed})


def copied(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_suite_is_copied_with_its_folders(tmp_path):
    store, plan = published(tmp_path)
    share.copy_suite(store, plan, tmp_path / "suite")
    assert copied(tmp_path / "suite") == FILES


@pytest.mark.parametrize("planted", ["workers/sitecustomize.py", "workers/USERS.csv", "workers", "..", "a\nb"])
def test_a_file_that_the_plan_does_not_list_is_ignored(tmp_path, planted):
    store, plan = published(tmp_path)
    share.copy_suite(cast(Store, Planted(store, planted)), plan, tmp_path / "suite")
    assert copied(tmp_path / "suite") == FILES


class Planted:
    """A bucket with a foreign file beside the suite's."""

    def __init__(self, store, name):
        self.store, self.planted = store, run_key(RUN, "suite") + "/" + name

    def keys(self, prefix):
        return iter([*self.store.keys(prefix), self.planted])

    def get(self, key):
        return b"planted" if key == self.planted else self.store.get(key)


def test_a_file_that_was_changed_after_the_plan_is_refused(tmp_path):
    store, plan = published(tmp_path)
    store.put(run_key(RUN, "suite", "workers", "users.csv"), b"planted")
    with pytest.raises(StoreError, match=r"workers/users\.csv"):
        share.copy_suite(store, plan, tmp_path / "suite")
    assert "workers/users.csv" not in copied(tmp_path / "suite")


def test_a_plan_without_a_list_of_files_is_refused(tmp_path):
    with pytest.raises(SuiteError, match="older toril"):
        share.copy_suite(published(tmp_path)[0], PLAN, tmp_path / "suite")


def test_bzt_gets_no_network_no_judge_no_reporter_and_no_delay(tmp_path):
    plan = PLAN.model_copy(
        update={
            "common": {
                **PLAN.common,
                "reporting": [{"module": "passfail"}],
                "services": ["monitoring", {"module": "shellexec", "prepare": ["true"]}],
                "settings": {"env": {"A": "b"}},
            }
        }
    )
    config = share.configuration(plan, plan.shares[0], tmp_path, {"locust": {"x": 1}})
    assert config["settings"]["check-updates"] is False
    assert {"A": "b", "TORIL_WORKER_INDEX": "0", "TAURUS_INDEX_ALL": "0"}.items() <= config["settings"]["env"].items()
    assert config["~reporting"] == []
    assert "reporting" not in config
    assert config["~services"] == [{"module": "shellexec", "prepare": ["true"]}]
    assert config["modules"]["locust"] == {"x": 1, "class": "toril.engines.locust.executor.Executor"}
    assert "delay" not in config["execution"][0]


@pytest.mark.parametrize("functional", [False, True])
def test_each_engine_that_a_suite_may_name_has_a_module_that_bzt_loads(functional):
    modules = modules_of(functional=functional)
    assert set(modules) == {*ENGINES, *(CASE_RUNNERS if functional else ())}
    executors = {alias: importlib.import_module(module).Executor for alias, module in modules.items()}
    assert all(executor.tool_name or alias == RESULTS_LOADER for alias, executor in executors.items())


def test_bzt_reads_every_character_as_the_suite_has_it(tmp_path):
    texts = ["🎉 é – ю", "\\ud83c", "a\x85b\u2028c\xa0\u202e\ufeff\x7f\x9f", "\U0010ffff\ufffe", 'q"\\\t\n\x01']
    written = {"labels": texts, "ключ 🎉": 1}
    share.write_configuration(written, tmp_path / "bzt.json")
    read = Configuration()
    read.load([str(tmp_path / "bzt.json")])
    assert {key: read[key] for key in written} == written


def test_scripts_can_read_their_place_in_the_run(tmp_path):
    environment = {"HOME": "/home/someone"}
    share.set_environment(environment, PLAN, PLAN.shares[1], tmp_path / "home")
    assert environment["TORIL_WORKER_INDEX"] == "1"
    assert environment["TORIL_WORKER_COUNT"] == "3"
    assert environment["TORIL_LOCATION"] == "local"
    assert environment["TORIL_RUN_ID"] == RUN
    assert environment["HOME"] == str(tmp_path / "home")
    assert environment["PATH"].startswith(str(Path(sys.executable).parent))
    assert environment["XDG_CACHE_HOME"] == "/home/someone/.cache"


def with_wheels(store, folder, name, files):
    """Stores a wheel for local runs on this machine. Returns the plan with it."""
    line = wheel(folder, name, files)
    sha256, (file,) = line.strip().rpartition(":")[2], folder.glob(f"{name}-*.whl")
    store.put(package_key(sha256), file.read_bytes())
    return PLAN.model_copy(update={"packages": {this_platform(local=True): {file.name: sha256}}})


def test_engines_can_import_a_runs_packages(tmp_path):
    store, environment = FolderStore(tmp_path / "store"), {"PYTHONPATH": "/own"}
    files = {"shopkit/__init__.py": "", "shopkit-1.2.data/platlib/kit.py": "", "shopkit-1.2.data/scripts/sell": ""}
    plan = with_wheels(store, tmp_path, "shopkit", files)
    share.install_packages(store, plan, tmp_path / "packages", environment)
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "packages"), "/own"]
    assert (tmp_path / "packages/shopkit/__init__.py").is_file()
    assert (tmp_path / "packages/kit.py").is_file()
    share.install_packages(store, PLAN, tmp_path / "none", environment := {})
    assert not environment


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
def test_a_wheel_writes_no_file_outside_its_folder(tmp_path, name):
    store, folder = FolderStore(tmp_path / "store"), tmp_path / "worker" / "packages"
    share.install_packages(store, with_wheels(store, tmp_path, "shopkit", {name: ""}), folder, {})
    assert all(path.is_relative_to(folder) for path in tmp_path.rglob("outside.py"))
    assert not Path("/outside.py").exists()


def test_a_changed_wheel_is_not_installed(tmp_path):
    store = FolderStore(tmp_path / "store")
    plan = with_wheels(store, tmp_path, "shopkit", {})
    (key,) = store.keys(package_key(""))
    store.put(key, b"changed")
    with refused("changed-file", key):
        share.install_packages(store, plan, tmp_path / "packages", {})


def test_a_worker_of_another_platform_than_the_wheels_does_not_start(tmp_path):
    plan = PLAN.model_copy(update={"packages": {"cp39-linux-riscv": {}}, "on": "fargate"})
    with refused("no-wheels", "cp39-linux-riscv", this_platform(local=False)):
        share.install_packages(FolderStore(tmp_path), plan, tmp_path / "packages", {})


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/hostname", "a/../../outside.csv", "linked.csv", "up/x.csv"])
def test_a_data_file_outside_of_the_suite_is_not_touched(tmp_path, name):
    folder = tmp_path / "suite"
    folder.mkdir()
    (tmp_path / "outside.csv").write_text("id\n1\n2\n")
    (folder / "linked.csv").symlink_to(tmp_path / "outside.csv")
    (folder / "up").symlink_to(tmp_path)
    with pytest.raises(SuiteError):
        share.split_data(PLAN.shares[0].model_copy(update={"data_files": {name: (0, 2)}}), folder)
    assert (tmp_path / "outside.csv").read_text() == "id\n1\n2\n"


def test_the_variable_of_a_secret_is_not_inherited_from_this_machine(tmp_path):
    environment = {"TOKEN": "of this machine", "PATH": "/bin", "HOME": "/"}
    plan = PLAN.model_copy(update={"secrets": {"TOKEN": "shop/api"}})
    share.set_environment(environment, plan, plan.shares[0], tmp_path / "home")
    assert "TOKEN" not in environment


def test_bzts_variables_of_a_suite_get_no_credentials_of_the_worker(monkeypatch):
    environment = {"AWS_SECRET_ACCESS_KEY": "wJal", "GITHUB_TOKEN": "ghp", "STAGE": "dev", "HOST": "", "KEY": ""}
    for name, value in environment.items():  # bzt exports the variables of the suite
        monkeypatch.setenv(name, value)
    written = {"HOST": "http://$AWS_SECRET_ACCESS_KEY.${GITHUB_TOKEN}.$STAGE", "KEY": "mine"}
    engine = Taurus(logging.getLogger(), [])
    engine.config.merge({"settings": {"env": written}, "scenarios": {"shop": {"default-address": "${HOST}"}}})
    engine.eval_env()
    host = "http://$AWS_SECRET_ACCESS_KEY.${GITHUB_TOKEN}.dev"
    assert engine.config["scenarios"]["shop"]["default-address"] == os.environ["HOST"] == host
    assert (os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["GITHUB_TOKEN"]) == ("wJal", "ghp")
