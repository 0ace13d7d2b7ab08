"""The built distributions in empty environments, on every supported Python: the command, a run, the console."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
from markdown_it import MarkdownIt
from packaging.metadata import Metadata

import toril
from tests.outcomes import passes
from tests.targets import target as serving
from tests.test_project import PROJECT, ROOT, found_uv, run
from toril.authoring.options import NO_ACTION

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.timeout(600), pytest.mark.xdist_group("installed")]
VERSIONS = sorted(re.findall(r":: (3\.\d+)", str(PROJECT["classifiers"])), key=lambda name: int(name[2:]))
LOCK = ROOT / "requirements/all.txt"
PLACES = (  # of interpreters: pyenv's and those of GitHub's runners
    (Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"), "versions/{}.*/bin/python"),
    (Path(os.environ.get("RUNNER_TOOL_CACHE", "/opt/hostedtoolcache")), "Python/{}.*/*/bin/python"),
)


def interpreter(version: str) -> str:
    for folder, pattern in PLACES:
        if found := sorted(folder.glob(pattern.format(version))):
            return str(found[-1])
    if program := shutil.which(f"python{version}"):
        return program
    reason = f"this machine has no Python {version}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def uv() -> Path:
    return found_uv()


@pytest.fixture(scope="module")
def packages(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel, which is built from the sources beside it."""
    folder = tmp_path_factory.mktemp("packages")
    run(uv, "build", "--quiet", "--build-constraints", ROOT / "requirements/build.txt", "--out-dir", folder)
    return folder


@dataclass(frozen=True)
class Installed:
    """The command in a folder of its own, without the environment of the tests."""

    command: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR", "TZ")}
        return {**kept, "PATH": f"{self.command.parent}:{os.defpath}", "HOME": str(self.folder)}

    def toril(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.command, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def first_page(installed: Installed) -> str:
    """Returns the first page of its console."""
    with subprocess.Popen(
        [installed.command, "console", "--port", "0", "--no-browser", "--bind", "127.0.0.1"],
        cwd=installed.folder,
        env=installed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout
            entrance = process.stdout.readline().strip()
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            browser.open(entrance, timeout=30).close()  # signs in
            with browser.open(urljoin(entrance, "/"), timeout=30) as page:
                return str(page.read().decode())
        finally:
            process.terminate()


def by_uv_tool(uv: Path, python: str, package: str, folder: Path) -> Path:
    options = ("--quiet", "--python", python, "--constraints", LOCK)
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    run(uv, "tool", "install", *options, package, cwd=ROOT, UV_PYTHON_DOWNLOADS="never", **places)
    return folder / "bin/toril"


def by_uv_pip(uv: Path, python: str, package: str, folder: Path) -> Path:
    run(uv, "venv", "--quiet", "--python", python, folder)
    run(uv, "pip", "install", "--quiet", "--python", folder, "--constraints", LOCK, package)
    return folder / "bin/toril"


def by_pip(uv: Path, python: str, package: str, folder: Path) -> Path:
    run(uv, "venv", "--quiet", "--seed", "--python", python, folder)
    pins = folder / "constraints.txt"  # without hashes, for which pip would require one of the package
    pins.write_text(re.sub(r" \\\n(?: +--hash=\S+(?: \\)?\n)+", "\n", LOCK.read_text()))
    options = ("--quiet", "--disable-pip-version-check", "--constraint", pins)
    run(folder / "bin/python", "-m", "pip", "install", *options, package)
    return folder / "bin/toril"


WAYS = {"uv tool": by_uv_tool, "uv pip": by_uv_pip, "pip": by_pip}
CASES = [
    *(("uv tool", "*.whl", version) for version in VERSIONS),
    ("pip", "*.whl", VERSIONS[0]),
    ("uv pip", "*.tar.gz", VERSIONS[-1]),
]


@pytest.mark.parametrize(("way", "kind", "version"), CASES, ids=map(" ".join, CASES))
def test_an_installed_package_writes_a_suite_runs_it_and_serves_the_console(
    way: str, kind: str, version: str, uv: Path, packages: Path, tmp_path: Path
) -> None:
    (package,) = packages.glob(kind)
    command = WAYS[way](uv, interpreter(version), f"{package}[worker,console]", tmp_path / "installed")
    (tmp_path / "empty").mkdir()
    installed = Installed(command, tmp_path / "empty")
    assert installed.toril("--version").stdout.split()[-1] == toril.__version__

    with serving(delay_s=0.01) as target:
        load = ("--users", "2", "--ramp-up", "0", "--hold-for", "3s", "--criterion", "fail>0%")
        written = installed.toril("init", "--url", f"{target.url}/home", *load)
        assert written.returncode == 0, written.stderr
        done = installed.toril("run", "loadtests/local", "--report", "html=run.html")
    assert done.returncode in (0, 3), done.stdout + done.stderr
    (verdict,) = installed.folder.glob(".toril/runs/*/verdict.json")
    assert passes(json.loads(verdict.read_text())), done.stdout
    assert target.paths["/home"] == target.answered > 0
    assert "uPlot" in (installed.folder / "run.html").read_text()

    assert "local" in first_page(installed)


@pytest.mark.parametrize(
    ("repository", "owner"),
    [("https://github.com/acme/toril", "acme/toril@{}"), ("file://{}", None)],
    ids=["GitHub", "elsewhere"],
)
def test_an_installation_from_github_writes_a_workflow_that_runs_as_it_is(repository, owner, uv, tmp_path):
    """Elsewhere the command notes what to fill in."""
    copy = tmp_path / "copy"
    run("git", "clone", "--quiet", ROOT, copy)
    commit = run("git", "rev-parse", "HEAD", cwd=copy).strip()
    run(uv, "venv", "--quiet", "--seed", "--python", sys.executable, tmp_path / "environment")
    locked = ("--require-hashes", "--requirements", ROOT / "requirements/run.txt")
    run(uv, "pip", "install", "--quiet", "--python", tmp_path / "environment", *locked)
    instead = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{copy}.insteadOf"}
    pip = (tmp_path / "environment/bin/python", "-m", "pip", "install", "--quiet", "--no-deps")
    run(
        *pip,
        f"git+{repository.format(copy)}",
        cwd=tmp_path,
        **instead,
        GIT_CONFIG_VALUE_0="https://github.com/acme/toril",
    )
    (tmp_path / "empty").mkdir()
    installed = Installed(tmp_path / "environment/bin/toril", tmp_path / "empty")
    done = installed.toril("init", "--url", "http://shop.example.com/")
    assert done.returncode == 0, done.stderr
    workflow = (installed.folder / ".github/workflows/loadtest.yml").read_text()
    if owner:
        assert f"uses: {owner.format(commit)} " in workflow
        assert "note:" not in done.stderr
    else:
        line = next(number for number, text in enumerate(workflow.splitlines(), start=1) if NO_ACTION in text)
        assert f".github/workflows/loadtest.yml:{line}: " in done.stderr


def test_the_page_of_the_package_on_an_index_has_valid_metadata_and_absolute_addresses(uv, tmp_path):
    copy = tmp_path / "copy"
    run("git", "clone", "--quiet", ROOT, copy)
    for fetched in ("src/toril/reports/assets", "src/toril/console/vendor"):
        shutil.copytree(ROOT / fetched, copy / fetched, dirs_exist_ok=True)
    run(sys.executable, "-m", "tools.owner", "acme", cwd=copy)
    options = ("--quiet", "--sdist", "--build-constraints", ROOT / "requirements/build.txt")
    run(uv, "build", *options, "--out-dir", tmp_path, cwd=copy)
    with tarfile.open(tmp_path / f"toril-{toril.__version__}.tar.gz") as archive:
        described = archive.extractfile(f"toril-{toril.__version__}/PKG-INFO")
        assert described
        metadata = Metadata.from_email(described.read(), validate=True)
    assert metadata.description_content_type == "text/markdown"
    assert metadata.project_urls
    assert metadata.project_urls["Source"] == "https://github.com/acme/toril"
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(metadata.description or "")
    addresses = re.findall(r'(?:href|src|srcset)="([^"]+)"', page)
    assert "https://raw.githubusercontent.com/acme/toril/main/docs/pictures/" in " ".join(addresses)
    assert not [address for address in addresses if not address.startswith(("https://", "#"))]
