"""Versions of suites, uploads that attack, and what a check says of a suite."""

import io
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.tiers import examples
from toril.errors import OptionError, StoreError, SuiteError
from toril.plan.options import RunOptions
from toril.runs import suites
from toril.runs.suites import ConflictError, files_of_zip, save, validate
from toril.store import FolderStore

SUITE = b"""execution:
- executor: jmeter
  concurrency: 2
  hold-for: 5s
  scenario: s
scenarios:
  s:
    requests: [http://127.0.0.1:1/]
reporting:
- module: passfail
  criteria: [p95>300ms]
"""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def saved(store, files, *, expected=None, name="shop", by="anna", at=5.0):
    return save(store, name, files, by=by, comment="", at=at, expected=expected)


def zipped(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def zipped_as(info: zipfile.ZipInfo, content: bytes = b"") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(info, content)
    return data.getvalue()


# ── versions


@examples(60)
@given(
    contents=st.lists(
        st.dictionaries(st.sampled_from(["suite.yml", "a.csv", "lib/b.py"]), st.binary(max_size=3)), max_size=6
    )
)
def test_every_saved_version_is_read_back_as_it_was(tmp_path_factory, contents):
    store = FolderStore(tmp_path_factory.mktemp("store"))
    for number, files in enumerate(contents, 1):
        assert saved(store, files, expected=number - 1).number == number
    for number, files in enumerate(contents, 1):
        assert suites.read(store, "shop", number)[1] == files
    assert [one.number for one in suites.versions(store, "shop")] == list(range(len(contents), 0, -1))


def test_an_edit_of_an_older_version_names_who_saved_the_newer_one(store):
    saved(store, {"suite.yml": b"1"}, expected=0)
    saved(store, {"suite.yml": b"2"}, expected=1, by="berta")
    with refused("version-conflict", "berta", "version 2", error=ConflictError):
        saved(store, {"suite.yml": b"3"}, expected=1)
    with refused("version-conflict", error=ConflictError):
        saved(store, {"suite.yml": b"3"}, expected=0)
    assert suites.read(store, "shop")[1] == {"suite.yml": b"2"}


def test_of_two_simultaneous_saves_one_wins_and_a_push_follows(store):
    class Late(FolderStore):
        """Another one saves while this one uploads."""

        def put(self, key, data):
            super().put(key, data)
            if not store.find("versions/shop/000001.json"):
                saved(store, {"suite.yml": b"other"}, by="berta")

    with refused("version-conflict", "berta", error=ConflictError):
        saved(Late(store.folder), {"suite.yml": b"mine"}, expected=0)
    assert saved(Late(store.folder), {"suite.yml": b"pushed"}).number == 2


def test_a_deleted_suite_is_gone_and_another_one_with_its_files_is_not(store):
    saved(store, {"suite.yml": SUITE})
    saved(store, {"suite.yml": SUITE}, name="shop2")
    suites.delete(store, "shop")
    assert suites.suite_names(store) == ["shop2"]
    with refused("no-such-suite", "shop", error=StoreError):
        suites.read(store, "shop")
    assert suites.read(store, "shop2")[1] == {"suite.yml": SUITE}


def test_a_difference_shows_lines_of_texts_and_sizes_of_other_files():
    text = suites.diff({"a": b"x\ny\n", "b": b"\xff", "c": b"same"}, {"a": b"x\nz", "b": b"\xff\xff", "c": b"same"})
    assert {"-y", "+z"} <= set(text.splitlines())
    assert "1 bytes → 2 bytes" in text
    assert "same" not in text


def test_no_difference_takes_minutes():
    old, new = ({"a": b"x", "b": b"\n".join(b"%d" % (step * line % 101) for line in range(40_000))} for step in (1, 7))
    assert suites.diff(old, new | {"a": b"y"}).splitlines()[-1].startswith("b: ")


@pytest.mark.parametrize("name", ["", "..", "a/b", ".x", "-x", "x" * 61, "x.", "é"])
def test_an_invalid_name_of_a_suite_is_refused(store, name):
    with refused("suite-name", error=OptionError):
        saved(store, {"suite.yml": SUITE}, name=name)


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../evil", "a\\evil", "C:evil", "a\0b", ""])
def test_an_invalid_path_of_a_file_is_refused(store, path):
    with refused("outside-folder", error=SuiteError):
        saved(store, {path: b""})
    with refused("outside-folder", error=SuiteError):
        suites.checked_files({path: b""})


# ── zips


def test_a_zip_of_a_folder_gives_its_files():
    assert files_of_zip(zipped(**{"shop/suite.yml": SUITE, "shop/data/a.csv": b"x"})) == {
        "suite.yml": SUITE,
        "data/a.csv": b"x",
    }
    assert files_of_zip(zipped(**{"suite.yml": SUITE, "data/a.csv": b"x"})).keys() == {"suite.yml", "data/a.csv"}


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\..\\evil"])
def test_a_zip_cannot_leave_its_folder(name):
    with refused("outside-folder", error=SuiteError):
        files_of_zip(zipped_as(zipfile.ZipInfo(name), b"x"))


def test_links_and_encrypted_members_of_a_zip_are_refused():
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with refused("bad-zip", "link", error=SuiteError):
        files_of_zip(zipped_as(link, b"/etc/passwd"))
    data = bytearray(zipped_as(zipfile.ZipInfo("secret"), b"x"))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the directory
    with refused("bad-zip", "secret", error=SuiteError):
        files_of_zip(bytes(data))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with refused("bad-zip", error=SuiteError):
        files_of_zip(data.getvalue())


@pytest.mark.parametrize("claimed", [None, 10])
def test_a_zip_bomb_is_refused_before_it_fills_the_memory(claimed):
    data = bytearray(zipped(**{f"{number}": bytes(40 << 20) for number in range(2)}))
    if claimed is not None:  # headers that lie about the size
        at = data.index(b"PK\x01\x02")
        data[at + 24 : at + 28] = claimed.to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(SuiteError) as caught:
        files_of_zip(bytes(data))
    assert caught.value.code in ("too-large", "bad-zip")
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


@examples(200)
@given(st.binary(max_size=300), st.integers(0, 300), st.binary(max_size=4))
def test_any_bytes_are_a_zip_or_an_error_for_the_user(noise, at, patch):
    good = zipped(**{"suite.yml": SUITE})
    for data in (noise, good[:at] + patch + good[at + len(patch) :]):
        try:
            files_of_zip(data)
        except SuiteError as error:
            assert error.code in ("bad-zip", "too-large", "outside-folder")


def test_a_zip_of_a_million_empty_entries_is_refused_before_it_is_read():
    with refused("too-large", error=SuiteError):
        files_of_zip(b"PK\x01\x02" * 20_000)


# ── checks


def test_a_check_returns_the_plan_and_its_warnings():
    found = validate({"suite.yml": SUITE.replace(b"jmeter", b"locust")}, RunOptions(), name="shop")
    assert found.problem is None
    assert found.plan is not None
    assert found.plan.suite == "shop"
    assert len(found.plan.shares) == 1


@pytest.mark.parametrize(
    ("changed", "code", "line"),
    [
        (SUITE.replace(b"concurrency: 2", b"concurrency: many"), "not-a-number", 3),
        (SUITE.replace(b"p95>", b"p95>>"), None, 11),
        (SUITE + b"}", "not-yaml", 12),
    ],
    ids=["value", "criterion", "syntax"],
)
def test_a_problem_names_its_file_and_line(changed, code, line):
    problem = validate({"suite.yml": changed}, RunOptions()).problem
    assert problem is not None
    assert code in (None, problem.code)
    assert (problem.file, problem.line) == ("suite.yml", line)
    assert "/tmp" not in problem.message


def test_a_file_of_aliases_that_multiply_is_refused():
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    problem = validate({"suite.yml": "\n".join(lines).encode()}, RunOptions()).problem
    assert problem is not None
    assert problem.code == "too-large"


def test_a_check_reads_neither_other_files_nor_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CONSOLE_KEY", "s3cr3t")
    other = tmp_path / "other.yml"
    other.write_text("s3cr3t")
    (tmp_path / "load.jmx").write_text("<x/>")
    for text in (
        f"included-configs: [{other}]",
        "included-configs: [../../../../../../../../proc/self/environ]",
        "included-configs: [/proc/self/environ]",
        f"execution: [{{scenario: {tmp_path / 'load.jmx'}}}]",
        f"execution: [{{scenario: {{requests: [http://127.0.0.1:1/], data-sources: [{other}]}}, concurrency: 1}}]",
        "execution: [{concurrency: '${CONSOLE_KEY}', hold-for: 1s, scenario: {requests: [http://127.0.0.1:1/]}}]",
    ):
        problem = validate({"suite.yml": text.encode()}, RunOptions()).problem
        assert problem is not None
        assert problem.code in ("bad-include", "no-such-file", "unknown-scenario", "unset-reference"), problem
        assert "s3cr3t" not in problem.message


def test_a_check_downloads_nothing():
    for text in (
        "included-configs: [http://169.254.169.254/latest]",
        "execution: [{scenario: {script: 'http://127.0.0.1:9/x.jmx'}, concurrency: 1, hold-for: 1s}]",
    ):
        found = validate({"suite.yml": text.encode()}, RunOptions())
        assert found.problem is None or found.problem.code == "bad-include"


@examples(150)
@given(
    text=st.one_of(st.binary(max_size=60), st.text("[]{}:&*<-!|> \nab0", max_size=40).map(str.encode)),
    name=st.one_of(st.just("suite.yml"), st.text(max_size=300), st.text("é/.", max_size=300)),
)
def test_any_upload_has_a_plan_or_a_problem(text, name):
    for files in ({name: text}, {"suite.yml": SUITE + text, name: b""}, {"suite.yml": text}):
        found = validate(files, RunOptions())
        assert (found.plan is None) == (found.problem is not None)
