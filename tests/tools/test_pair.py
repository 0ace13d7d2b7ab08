"""`loadtests/shop/pair.py`: the shop of a base commit and that of the working tree, side by side."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[2] / "loadtests/shop"
IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *IDENTITY, *words], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def project(tmp_path):
    """A repository whose first commit has no shop, whose second one has, and whose working tree has another."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "none")
    (tmp_path / "loadtests").mkdir()
    shutil.copytree(SHOP, tmp_path / "loadtests/shop", ignore=shutil.ignore_patterns("__pycache__"))
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "shop")
    service = tmp_path / "loadtests/shop/service.py"
    service.write_text(service.read_text().replace('"product": 8', '"product": 8, "new-page": 1'))
    service.write_text(
        service.read_text().replace(
            'case "GET", ["products"]:',
            'case "GET", ["new-page"]:\n                return 200, {}\n            case "GET", ["products"]:',
        )
    )
    yield tmp_path
    pair(tmp_path, "--stop")


def pair(project: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    known = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return subprocess.run(
        [sys.executable, "loadtests/shop/pair.py", *words],
        cwd=project,
        env={**known, "TMPDIR": str(project), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("::"))


def status(address: str, path: str) -> int:
    try:
        with urllib.request.urlopen(address + path, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def is_closed(address: str) -> bool:
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except urllib.error.HTTPError:
            pass
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_each_shop_is_its_commits_own_and_both_end_together(project):
    done = pair(project, "--base", "HEAD")
    assert done.returncode == 0, done.stderr
    found = told(done.stdout)
    assert status(found["BASE_URL"], "/product/17") == status(found["HEAD_URL"], "/product/17") == 200
    assert (status(found["BASE_URL"], "/new-page"), status(found["HEAD_URL"], "/new-page")) == (404, 200)
    assert pair(project, "--base", "HEAD").returncode == 2  # one pair at a time
    assert pair(project, "--stop").returncode == 0
    assert is_closed(found["BASE_URL"])
    assert is_closed(found["HEAD_URL"])
    assert pair(project, "--stop").returncode == 0


def test_the_addresses_are_in_the_environment_of_the_next_steps(project):
    done = pair(project, "--base", "HEAD", GITHUB_ENV=str(project / "steps"))
    assert told((project / "steps").read_text()) == told(done.stdout)


@pytest.mark.parametrize("base", ["HEAD~1", "0" * 40, "", "--help-me", "main\nHEAD_URL=http://elsewhere"])
def test_where_there_is_no_base_the_head_is_open_alone_and_why_is_said(project, base):
    done = pair(project, f"--base={base}", GITHUB_ENV=str(project / "steps"))
    assert done.returncode == 0, done.stderr
    assert "::notice::no base to compare with" in done.stdout
    assert set(told((project / "steps").read_text())) <= {"HEAD_URL", "LOAD_CPUS"}
    assert told((project / "steps").read_text())["HEAD_URL"].startswith("http://127.0.0.1:")


def test_a_slowdown_is_of_the_working_tree_alone(project):
    found = told(pair(project, "--base", "HEAD", ERRORS="100").stdout)
    assert status(found["BASE_URL"], "/product/17") == 200
    assert status(found["HEAD_URL"], "/product/17") == 503


def test_a_shop_that_does_not_start_is_said_with_its_words_and_leaves_none_behind(project):
    (project / "loadtests/shop/service.py").write_text("raise SystemExit('no shop today')")
    done = pair(project, "--base", "HEAD")
    assert done.returncode == 4
    assert "the head shop did not start: no shop today" in done.stderr
    assert not (project / ".toril/pair.json").exists()


def test_a_base_that_does_not_start_fails_no_change_that_mends_it(project):
    service = project / "loadtests/shop/service.py"
    mended = service.read_text()
    service.write_text("raise SystemExit('no shop yet')")
    git(project, "commit", "-q", "-a", "-m", "broken")
    service.write_text(mended)

    done = pair(project, "--base", "HEAD")

    assert done.returncode == 0, done.stderr
    assert "::notice::no base to compare with: the shop of HEAD does not start" in done.stdout
    assert set(told(done.stdout)) <= {"HEAD_URL", "LOAD_CPUS"}


def test_a_shop_that_says_more_than_its_address_sets_no_variable_of_the_job(project):
    talkative = "import time\nprint('http://127.0.0.1:1\\nBASH_ENV=/evil', flush=True)\ntime.sleep(1)\n"
    (project / "loadtests/shop/service.py").write_text(talkative)

    done = pair(project, "--base", "HEAD", GITHUB_ENV=str(project / "steps"))

    assert done.returncode == 4
    assert not (project / "steps").exists()
