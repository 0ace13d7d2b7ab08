"""Arbitrary files become a plan or a one-line error, quickly and without a traceback."""

import contextlib
import json
import os
import random
import string
import subprocess
import time
import zlib
from pathlib import Path

import pytest
import yaml

from toril.errors import SuiteError, UserError
from toril.github.gates import changed_since
from toril.plan import make_plan
from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions
from toril.records import Plan
from toril.runs.publish import publish
from toril.store import FolderStore
from toril.suite import read_suite
from toril.suite.git import read_origin

GOOD = """
execution:
- executor: locust
  concurrency: 10
  ramp-up: 5s
  hold-for: 1m
  scenario: shop
  locations: {eu-west-1: 2, us-east-1: 1}
  criteria: [fail>1%, "slow: avg-rt of home>1s for 10s, stop as failed"]
- {scenario: {requests: [{url: http://127.0.0.1/, label: home}]}, throughput: 30, hold-for: 1m}
scenarios:
  shop: {requests: [/, {transaction: buy, do: [/cart]}], think-time: 1s}
settings: {env: {A: b}, ramp-up-exclude: true}
reporting: [{module: passfail, criteria: {slow: p95>300ms}}]
modules: {jmeter: {properties: {a: 1}}}
services: [shellexec]
toril: {workers: 3, quorum: 90%, worker: {cpu: 1024}}
"""

BOMBS = {
    "brackets": "[" * 10_000_000,
    "braces": "{" * 10_000_000,
    "json brackets": '{"a":' * 2_000_000,
    "json lists": '{"a":\t' + "[" * 5_000_000,
    "closed brackets": "a: " + "[" * 500 + "]" * 500,
    "dashes": "- " * 2_000_000,
    "questions": "? " * 2_000_000,
    "colons": ":" * 5_000_000,
    "indents": "\n".join(" " * level + "a:" for level in range(2_000)),
    "laughs": "a: &a [x, x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)),
    "merged laughs": "a: &a {x: 1}\n"
    + "".join(
        f"k{n}: &k{n} {{<<: [*{'a' if not n else f'k{n - 1}'}, *{'a' if not n else f'k{n - 1}'}]}}\n" for n in range(30)
    ),
    "long laughs": "a: &a " + "x" * 100_000 + "\nb: [" + "*a, " * 20_000 + "]\n",
    "recursive list": "a: &a [*a]\n",
    "recursive mapping": "a: &a {b: *a}\n",
    "recursive merge": "a: &a {<<: *a}\n",
    "recursive key": "&a {*a : 1}\n",
    "anchors": "".join(f"a{n}: &a{n} x\n" for n in range(100_000)),
    "documents": "---\n" * 500_000,
    "many keys": "".join(f"k{n}: {n}\n" for n in range(300_000)),
    "same key": "a: 1\n" * 300_000,
    "many values": "a: [" + "1," * 2_000_000 + "]",
    "base 60": "a: 1" + ":10" * 1_000_000,
    "long number": "a: " + "1" * 1_000_000,
    "long json number": '{"a":\t' + "1" * 1_000_000 + "}",
    "long hexadecimal": "a: 0x" + "f" * 1_000_000,
    "long float": "a: 1." + "1" * 1_000_000,
    "one line": "a: " + "x" * 7_000_000,
    "too large": "#" * 9_000_000,
    "quotes": '"' + "x" * 5_000_000,
    "tabs": "\t" * 5_000_000,
    "tabs in lines": "\ta: 1\n" * 300_000,
    "nul": "a: \0",
    "bell": "a: \a",
    "directive": "%YAML 9.9\n---\na: 1\n",
    "unknown alias": "a: *nobody\n",
    "object tag": "a: !!python/object/apply:os.system [true]\n",
    "own tag": "a: !Ref b\n",
    "binary tag": "a: !!binary aGVsbG8=\n",
    "set tag": "a: !!set {x, y}\n",
    "omap tag": "a: !!omap [x: 1]\n",
    "bad int tag": "a: !!int x\n",
    "bad float tag": "a: !!float x\n",
    "bad date": "a: 2026-99-99\n",
    "equals": "a: =\n",
    "infinity": "execution: [{scenario: x, concurrency: .inf}]\n",
    "not a number": "a: .nan\n",
    "json infinity": '{"a":\tInfinity}',
    "surrogate": '{"a":\t"\\ud800"}',
    "list key": "? [a, b]\n: 1\n",
    "mapping key": "? {a: b}\n: 1\n",
    "number key": "1: 2\n",
    "null key": "~: 2\n",
    "empty key": "'': 2\n",
    "list document": "- a\n- b\n",
    "text document": "hello\n",
    "two texts": "a: 1\n--- x\n",
    "empty": "",
    "only null": "~\n",
    "references": "execution: [{scenario: x, hold-for: '" + "${" * 2_000_000 + "'}]\n",
    "references in the environment": "settings: {env: {A: '" + "${" * 2_000_000 + "'}}\nexecution: [{scenario: x}]\n",
    "html": "<!DOCTYPE html><html><body>Not found</body></html>",
}


def planned(path):
    """Expects a plan that survives JSON, or an error with a code in one line."""
    try:
        plan = make_plan(read_suite([path], system={}), run_id="r", workers=None)
    except SuiteError as error:
        text = str(error)
        assert "\n" not in text
        assert len(text) < 900
        assert error.code
        return error
    assert Plan.from_json(plan.to_json(), "plan.json") == plan
    return plan


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_rejected_in_one_line(tmp_path, name):
    path = tmp_path / "suite.yml"
    path.write_text(BOMBS[name])
    assert isinstance(planned(path), SuiteError)


@pytest.mark.parametrize(
    "data", [b"\xff\xfea\0:\0", b"\x80abc", bytes(range(256)) * 100, b"PK\x03\x04" * 1000, "ä: 1".encode("latin-1")]
)
def test_a_binary_file_is_rejected(tmp_path, data):
    path = tmp_path / "suite.yml"
    path.write_bytes(data)
    assert isinstance(planned(path), SuiteError)


def test_the_suite_that_is_mutilated_below_is_valid(tmp_path):
    path = tmp_path / "suite.yml"
    path.write_text(GOOD)
    assert isinstance(planned(path), Plan)


def test_mutilated_texts_are_planned_or_rejected(tmp_path):
    random_ = random.Random(1)
    path = tmp_path / "suite.yml"
    for _ in range(300):
        text = GOOD
        for _ in range(random_.randint(1, 4)):
            at = random_.randrange(len(text))
            what = random_.choice(
                [
                    "",
                    random_.choice(string.printable),
                    "\0",
                    "\t",
                    "&a ",
                    "*a",
                    "!!x ",
                    "[[[",
                    "${A}",
                    "<<: ",
                    "é",
                    "- ",
                    "\n---\n",
                ]
            )
            text = text[:at] + what + text[at + random_.randint(0, 20) :]
        path.write_text(text)
        planned(path)


WRONG: list = [
    None,
    True,
    0,
    -1,
    3.5,
    "",
    "x",
    "5s",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"a": None},
    {"": 1},
    "${A}",
    "${B}",
    10**30,
    "-1",
    ["x"] * 3,
]


def places(value, path=()):
    """Yields the path of every value in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def replaced(document, place, value):
    """Returns a copy of the document with the value at this path."""
    copy = json.loads(json.dumps(document))
    holder = copy
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return copy


def test_any_value_at_any_place_is_planned_or_rejected(tmp_path):
    path = tmp_path / "suite.json"
    good = yaml.safe_load(GOOD)
    for place in places(good):
        if not place:
            continue
        for wrong in WRONG:
            path.write_text(json.dumps(replaced(good, place, wrong)))
            planned(path)


PLANNED = ("execution", "scenarios", "settings", "modules")


def test_any_value_is_planned_or_rejected_with_another_address_and_in_a_duet(tmp_path):
    path = tmp_path / "suite.json"
    good = yaml.safe_load(GOOD)
    good["execution"][1]["scenario"]["requests"][0]["url"] = "${SHOP}/"
    good["scenarios"]["shop"]["default-address"] = "${SHOP}"
    good["settings"]["env"] |= {"SHOP": "http://127.0.0.1", "API": "${SHOP}/api"}
    planned_places = [place for place in places(good) if place and place[0] in PLANNED]
    for number, place in enumerate(planned_places):
        for wrong in WRONG[number % 4 :: 4]:  # all of them at each place take 30 s
            path.write_text(json.dumps(replaced(good, place, wrong)))
            with contextlib.suppress(UserError):
                plan_duet([path], RunOptions(), 0.0, base="http://base.example", head="http://head.example")


@pytest.mark.parametrize(("labels", "criteria", "executions"), [(20_000, 3_000, 1), (30_000, 1, 250)])
def test_a_large_suite_is_planned_quickly(tmp_path, labels, criteria, executions):
    document = {
        "execution": [{"scenario": "shop", "hold-for": "1m"}] * executions,
        "scenarios": {"shop": {"requests": [f"/{number}" for number in range(labels)]}},
        "reporting": [{"module": "passfail", "criteria": [f"p95 of gone {n}>1s" for n in range(criteria)]}],
    }
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(document))
    began = time.process_time()
    plan = make_plan(read_suite([path], system={}), run_id="r", workers=None)
    assert plan.warning_codes.count("unknown-label") == criteria
    assert time.process_time() - began < 15  # it usually takes 2 s


def test_a_misspelt_name_among_many_is_rejected_quickly(tmp_path):
    scenarios = {f"{number} shop{'x' * 50}": {"requests": ["/"]} for number in range(12_000)}
    path = tmp_path / "suite.json"
    path.write_text(json.dumps({"execution": {"scenario": f"1 shp{'x' * 50}"}, "scenarios": scenarios}))
    began = time.process_time()
    refusal = planned(path)
    assert refusal.code == "unknown-scenario"
    assert "`1 shop" in str(refusal)
    assert time.process_time() - began < 8  # it usually takes 1 s


def test_wrong_overrides_are_rejected(tmp_path):
    path = tmp_path / "suite.yml"
    path.write_text(GOOD)
    random_ = random.Random(2)
    parts = [
        "execution",
        "0",
        "1",
        "-1",
        "scenarios",
        "shop",
        "requests",
        "toril",
        "workers",
        "settings",
        "env",
        "^",
        "*",
        "",
        "concurrency",
    ]
    for _ in range(300):
        name = ".".join(random_.choice(parts) for _ in range(random_.randint(1, 5)))
        override = name + random_.choice(["=", "=5", "=[[[", "={a: 1}", "=!!x", "", "=.inf", "=" + "[" * 10_000])
        try:
            make_plan(read_suite([path], overrides=[override], system={}), run_id="r", workers=None)
        except SuiteError as error:
            assert "\n" not in str(error)


SECRET_WORK = '[core]\n\tfsmonitor = {0}\n[filter "x"]\n\tclean = {0}\n'
MISSING = '[extensions]\n\tpartialClone = o\n[protocol "ext"]\n\tallow = always\n[protocol "file"]\n\tallow = always\n'
TRICKS = {  # a repository's configuration with the program {0}, and a git command that starts it
    "clean filter": ('[filter "x"]\n\tclean = {0}\n', "diff"),
    "required filter": ('[filter "x"]\n\tclean = {0}\n\trequired = true\n', "diff"),
    "filter process": ('[filter "x"]\n\tprocess = {0}\n', "diff"),
    "file system monitor": ("[core]\n\tfsmonitor = {0}\n", "status"),
    "external diff": ("[diff]\n\texternal = {0}\n", "diff"),
    "diff driver": ('[diff "x"]\n\tcommand = {0}\n', "diff"),
    "text conversion": ('[diff "x"]\n\ttextconv = {0}\n', "diff"),
    "include": ("[include]\n\tpath = more\n", "diff"),
    "conditional include": ('[includeIf "gitdir:**"]\n\tpath = more\n', "diff"),
    "worktree's own": ("[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tworktreeConfig = true\n", "diff"),
    "hooks": ("", "status"),
    "upload-pack": (MISSING + '[remote "o"]\n\tpromisor = true\n\turl = .\n\tuploadpack = {0}\n', "ls-tree HEAD"),
    "ext": (MISSING + '[remote "o"]\n\tpromisor = true\n\turl = ext::{0}\n', "ls-tree HEAD"),
    "ssh": (
        MISSING + '[remote "o"]\n\tpromisor = true\n\turl = ssh://127.0.0.1/x\n[core]\n\tsshCommand = {0}\n',
        "ls-tree HEAD",
    ),
    "proxy": (
        MISSING + '[remote "o"]\n\tpromisor = true\n\turl = git://127.0.0.1/x\n[core]\n\tgitProxy = {0}\n',
        "ls-tree HEAD",
    ),
    "pager": ("[core]\n\tpager = {0}\n[pager]\n\tls-tree = {0}\n\tls-files = {0}\n\trev-parse = {0}\n", ""),
    "aliases": ('[alias]\n\tls-tree = "!{0}"\n\tls-files = "!{0}"\n\trev-parse = "!{0}"\n\tmerge-base = "!{0}"\n', ""),
    "the rest": (
        "[gpg]\n\tprogram = {0}\n[log]\n\tshowSignature = true\n[core]\n\teditor = {0}\n\taskPass = {0}\n"
        "\talternateRefsCommand = {0}\n[credential]\n\thelper = {0}\n[uploadpack]\n\tpackObjectsHook = {0}\n"
        '[interactive]\n\tdiffFilter = {0}\n[trailer "x"]\n\tcommand = {0}\n[merge "x"]\n\tdriver = {0}\n',
        "",
    ),
}


class Trap:
    """A committed suite with changes, and a program that leaves a mark when it starts."""

    def __init__(self, top: Path) -> None:
        self.repository, self.mark, self.program = top / "repository", top / "mark", top / "program"
        self.suite = self.repository / "loadtests" / "shop"
        self.suite.mkdir(parents=True)
        (self.suite / "suite.yml").write_text(GOOD)
        (self.suite / "data.csv").write_text("a\n")
        (self.suite / ".gitattributes").write_text("* filter=x diff=x merge=x text=auto ident\n")
        self.program.write_text(f"#!/bin/sh\ntouch '{self.mark}'\nexit 1\n")
        self.program.chmod(0o755)
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "all")
        (self.suite / "data.csv").write_text("b\n")

    def git(self, *words: str, folder: Path | None = None) -> None:
        who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=folder or self.repository, capture_output=True, timeout=30)

    def configure(self, text: str, git: Path) -> None:
        for name, more in (("config", text), ("more", SECRET_WORK), ("config.worktree", SECRET_WORK)):
            with (git / name).open("a") as file:
                file.write(more.replace("{0}", str(self.program)))
        (git / "hooks").mkdir(exist_ok=True)
        (git / "hooks" / "post-index-change").symlink_to(self.program)
        os.utime(self.suite / "suite.yml", (1, 1))  # so that git reads its content again
        if "partialClone" in text:
            for loose in (git / "objects").glob("??/*"):
                data = zlib.decompress(loose.read_bytes())
                if data.startswith(b"tree"):
                    loose.unlink()

    def springs(self) -> bool:
        """Returns whether publishing the suite or choosing gates starts the program."""
        suite = read_suite([self.suite], system={})
        publish(FolderStore(self.mark.parent / "store"), suite, make_plan(suite, run_id="r", workers=None))
        for revision in ("HEAD", "main"):
            with contextlib.suppress(UserError):
                changed_since(revision, self.suite.parent)
            with contextlib.suppress(UserError):
                changed_since(revision, self.suite)
        return self.mark.exists()


@pytest.mark.parametrize("name", TRICKS)
def test_no_program_of_a_repositorys_configuration_starts(tmp_path, name):
    trap, (config, would) = Trap(tmp_path), TRICKS[name]
    trap.configure(config, trap.repository / ".git")
    assert not trap.springs()
    if would:
        trap.git(*would.split())
        assert trap.mark.exists()  # the trick works with git itself


def test_files_that_look_like_a_repository_start_no_program(tmp_path):
    trap = Trap(tmp_path)
    inner = trap.suite
    trap.git("init", "-q", folder=inner)
    trap.git("add", "suite.yml", folder=inner)
    trap.git("commit", "-q", "-m", "inner", folder=inner)
    for part in (inner / ".git").iterdir():
        part.rename(inner / part.name)
    (inner / ".git").rmdir()
    trap.configure(f'[core]\n\tbare = false\n\tworktree = {inner}\n[filter "x"]\n\tclean = {{0}}\n', inner)
    assert not trap.springs()
    trap.git("diff", folder=inner)
    assert trap.mark.exists()


def test_a_submodule_starts_no_program(tmp_path):
    trap = Trap(tmp_path)
    inner = trap.suite / "inner"
    inner.mkdir()
    (inner / "file").write_text("a\n")
    trap.git("init", "-q", folder=inner)
    trap.git("add", "-A", folder=inner)
    trap.git("commit", "-q", "-m", "inner", folder=inner)
    trap.git("add", "-A")
    trap.configure(SECRET_WORK + "[submodule]\n\trecurse = true\n", inner / ".git")
    assert not trap.springs()
    trap.git("status")
    assert trap.mark.exists()


def test_a_git_program_in_the_suites_folder_is_not_started(tmp_path, monkeypatch):
    trap = Trap(tmp_path)
    for folder in (trap.suite, trap.suite.parent, trap.repository):
        (folder / "git").symlink_to(trap.program)
    monkeypatch.chdir(trap.suite)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    assert not trap.springs()


def test_a_file_that_is_not_regular_differs_from_the_commit(tmp_path):
    trap = Trap(tmp_path)
    (trap.suite / "suite.yml").unlink()
    os.mkfifo(trap.suite / "suite.yml")
    (trap.suite / "data.csv").unlink()
    (trap.suite / "data.csv").symlink_to("/dev/zero")
    origin = read_origin(trap.suite, [Path("suite.yml"), Path("data.csv")])
    assert origin is not None
    assert origin.changed == ("loadtests/shop/data.csv", "loadtests/shop/suite.yml")
    assert {path.name for path in changed_since("HEAD", trap.suite)} == {"data.csv", "suite.yml"}
