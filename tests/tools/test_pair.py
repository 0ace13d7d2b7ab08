"""`loadtests/shop/pair.py` starts the shop of a base commit and that of the working tree."""

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
    """A repository: no shop in the first commit, a shop in the second, a changed shop in the working tree."""
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


def variables(text: str) -> dict[str, str]:
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


def test_each_commit_has_its_own_shop_and_both_stop_together(project):
    done = pair(project, "--base", "HEAD")
    assert done.returncode == 0, done.stderr
    found = variables(done.stdout)
    assert status(found["BASE_URL"], "/product/17") == status(found["HEAD_URL"], "/product/17") == 200
    assert (status(found["BASE_URL"], "/new-page"), status(found["HEAD_URL"], "/new-page")) == (404, 200)
    assert pair(project, "--base", "HEAD").returncode == 2  # one pair at a time
    assert pair(project, "--stop").returncode == 0
    assert is_closed(found["BASE_URL"])
    assert is_closed(found["HEAD_URL"])
    assert pair(project, "--stop").returncode == 0


def test_the_addresses_are_in_the_environment_of_the_next_steps(project):
    done = pair(project, "--base", "HEAD", GITHUB_ENV=str(project / "steps"))
    assert variables((project / "steps").read_text()) == variables(done.stdout)


@pytest.mark.parametrize("base", ["HEAD~1", "0" * 40, "", "--help-me", "main\nHEAD_URL=http://elsewhere"])
def test_without_a_base_only_the_head_shop_starts_and_a_notice_says_why(project, base):
    done = pair(project, f"--base={base}", GITHUB_ENV=str(project / "steps"))
    assert done.returncode == 0, done.stderr
    assert "::notice::There is no base" in done.stdout
    assert set(variables((project / "steps").read_text())) <= {"HEAD_URL", "LOAD_CPUS"}
    assert variables((project / "steps").read_text())["HEAD_URL"].startswith("http://127.0.0.1:")


def test_errors_and_slowness_affect_only_the_working_trees_shop(project):
    found = variables(pair(project, "--base", "HEAD", ERRORS="100").stdout)
    assert status(found["BASE_URL"], "/product/17") == 200
    assert status(found["HEAD_URL"], "/product/17") == 503


def test_the_error_about_a_broken_shop_has_its_output_and_no_shop_stays(project):
    (project / "loadtests/shop/service.py").write_text("raise SystemExit('no shop today')")
    done = pair(project, "--base", "HEAD")
    assert done.returncode == 4
    assert "no shop today" in done.stderr
    assert not (project / ".toril/pair.json").exists()


def test_a_base_shop_that_does_not_start_is_not_an_error(project):
    service = project / "loadtests/shop/service.py"
    mended = service.read_text()
    service.write_text("raise SystemExit('no shop yet')")
    git(project, "commit", "-q", "-a", "-m", "broken")
    service.write_text(mended)

    done = pair(project, "--base", "HEAD")

    assert done.returncode == 0, done.stderr
    assert "::notice::There is no base" in done.stdout
    assert "HEAD does not start" in done.stdout
    assert set(variables(done.stdout)) <= {"HEAD_URL", "LOAD_CPUS"}


def test_a_shop_that_prints_more_than_its_address_sets_no_job_variables(project):
    talkative = "import time\nprint('http://127.0.0.1:1\\nBASH_ENV=/evil', flush=True)\ntime.sleep(1)\n"
    (project / "loadtests/shop/service.py").write_text(talkative)

    done = pair(project, "--base", "HEAD", GITHUB_ENV=str(project / "steps"))

    assert done.returncode == 4
    assert not (project / "steps").exists()
