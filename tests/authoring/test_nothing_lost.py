"""`toril init` writes all files or none, and keeps existing files."""

import stat
from pathlib import Path, PurePosixPath

import pytest

from tests.authoring.calling import call, refuses, scripts, started, tree
from tests.refusals import refused
from toril.authoring.init import placed
from toril.errors import SuiteError

URL = ("--url", "http://shop/", "--name", "shop")
WORKFLOW = ".github/workflows/loadtest.yml"
SUITE = "loadtests/shop/suite.yml"


@pytest.mark.parametrize("names", [(WORKFLOW,), (SUITE,), (SUITE, WORKFLOW)])
def test_existing_files_are_named_in_one_message_and_nothing_is_written(tmp_path, names):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("mine")
    refuses(tmp_path, URL, "file-exists", *(str(tmp_path / name) for name in names), "--force")


def test_force_overwrites_only_files_of_the_suite(tmp_path):
    for name in (WORKFLOW, SUITE, "loadtests/shop/other.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    started(tmp_path, *URL, "--force")
    after = tree(tmp_path)
    assert after["loadtests/shop/other.csv"] == b"mine"
    assert b"http://shop" in after[SUITE]
    assert b"mine" not in after[WORKFLOW]
    assert {name for name in after if "." in Path(name).name} == {
        WORKFLOW,
        SUITE,
        "loadtests/shop/other.csv",
        "loadtests/suite.schema.json",
        ".github",
    }


def test_a_second_suite_gets_its_own_folder(tmp_path):
    started(tmp_path, *URL)
    before = tree(tmp_path)
    started(tmp_path, "--url", "http://other/", "--no-workflow")
    assert {name: text for name, text in tree(tmp_path).items() if "other" not in name} == before


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_folder_with_another_suite_file_is_refused(tmp_path, force):
    (tmp_path / "loadtests/shop").mkdir(parents=True)
    (tmp_path / "loadtests/shop/suite.json").write_text("{}")
    refuses(tmp_path, (*URL, *force), "file-exists", "loadtests/shop/suite.json")


def test_a_folder_in_place_of_a_file_is_never_overwritten(tmp_path):
    (tmp_path / SUITE).mkdir(parents=True)
    refuses(tmp_path, (*URL, "--force"), "file-exists", SUITE)


@pytest.mark.parametrize("linked", ["loadtests", ".github", SUITE])
def test_links_do_not_lead_outside_the_folder(tmp_path, linked):
    outside, folder = tmp_path / "outside", tmp_path / "repo"
    outside.mkdir()
    (folder / linked).parent.mkdir(parents=True)
    (folder / linked).symlink_to(outside)
    assert isinstance(call(folder, *URL, "--force").exception, SuiteError)
    assert not tree(outside)
    assert [path for path in tree(folder) if "toril" in path or path.endswith("yml")] == (
        [linked] if linked == SUITE else []
    )


def test_an_unwritable_folder_is_refused_and_restored(tmp_path):
    (tmp_path / ".github").write_text("a file where a folder is needed")
    refuses(tmp_path, URL, "unwritable-file", ".github")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SuiteError("no good", code="bad"), OSError("disk")])
def test_an_interrupted_write_restores_the_folder(tmp_path, force, end):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("mine")
    (tmp_path / "kept/file").chmod(0o750)
    before = tree(tmp_path)
    files = {PurePosixPath("a/b/new"): b"new", PurePosixPath("c"): tmp_path / "kept/file"}
    files |= {PurePosixPath("kept/file"): b"other"} if force else {}
    with pytest.raises(type(end) if isinstance(end, Exception) else end), placed(tmp_path, files, force=force):
        assert (tmp_path / "a/b/new").read_bytes() == b"new"
        raise end
    assert tree(tmp_path) == before
    assert stat.S_IMODE((tmp_path / "kept/file").stat().st_mode) == 0o750


def test_an_unreadable_source_restores_the_folder(tmp_path):
    files = {PurePosixPath("a/first"): b"1", PurePosixPath("b/second"): tmp_path / "gone", PurePosixPath("c"): b"3"}
    with refused("unwritable-file", "b/second"), placed(tmp_path, files, force=False):
        pass
    assert tree(tmp_path) == {}


def test_a_suite_that_cannot_be_planned_is_removed(tmp_path):
    folder = scripts(tmp_path / "mine")
    (folder / "locustfile.py").write_text("from locust import HttpUser\n")
    started(tmp_path / "repo", str(folder / "locustfile.py"))
    before = tree(tmp_path / "repo")
    done = call(tmp_path / "repo", str(folder / "locustfile.py"), "--users", "5000000", "--force")
    assert isinstance(done.exception, SuiteError)
    assert tree(tmp_path / "repo") == before
