"""`make owner`: one name, in every text that needs it, and nowhere a placeholder."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.test_docs import LINK, anchors
from tools import owner

ROOT = Path(__file__).parents[2]
PLACEHOLDER = re.compile(r"\bOWNER/toril\b|<owner>|\bYOUR-ORG\b|\bYOUR_ORG/toril\b")
MAY_NAME_IT = {  # until toril has an owner: where a person needs a copy of the repository
    "docs/how-to/install.md",
    "docs/how-to/fail-a-pull-request.md",
    "docs/how-to/set-up-aws.md",
    "docs/reference/action.md",
    "docs/tutorials/gate-a-pull-request.md",
    "src/toril/authoring/options.py",  # what `toril init` writes
}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of all texts of the project."""
    for path in tracked():
        if path.suffix in (".md", ".py", ".toml", ".yml", ".yaml", ".png", ".svg", "") and path.parts[0] != "tests":
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tmp_path / path)
    return tmp_path


def placeholders(root: Path) -> list[str]:
    return [
        str(path)
        for path in tracked()
        if path.parts[0] != "tests" and path != Path("tools/owner.py") and (root / path).is_file()
        if PLACEHOLDER.search((root / path).read_text(errors="replace"))
    ]


def test_only_pages_that_tell_how_to_get_a_copy_have_a_placeholder():
    assert set(placeholders(ROOT)) <= MAY_NAME_IT


def test_no_text_has_a_placeholder_once_the_owner_is_named(tree):
    assert owner.main(["acme"], tree) == 0
    assert placeholders(tree) in ([], ["src/toril/authoring/options.py"])
    assert owner.owner(tree) == "acme"
    assert "acme/toril@v0" in (tree / "docs/how-to/fail-a-pull-request.md").read_text()
    assert 'OWNER = "acme"' in (tree / owner.SETTING).read_text()
    for page in tree.glob("docs/**/*.md"):
        assert "published" not in re.findall(r"<!-- (\w+)", page.read_text())
        for target, anchor in LINK.findall(re.sub(r"(?ms)^```.*?^```$", "", page.read_text())):
            there = (page.parent / target) if target else page
            assert not anchor or there.suffix != ".md" or anchor in anchors(there), f"{page}: {target}#{anchor}"


def test_a_second_call_changes_nothing_and_another_name_replaces_the_first(tree, capsys):
    owner.main(["acme"], tree)
    capsys.readouterr()
    assert owner.main(["acme"], tree) == 0
    assert capsys.readouterr().out == ""
    owner.main(["other-org"], tree)
    left = [
        path
        for path in owner.files(tree)
        if re.search(r"github\.com/acme/|\bacme(/toril@|\.github\.io)", path.read_text())
    ]
    assert [path.relative_to(tree) for path in left] == []
    assert "https://github.com/other-org/toril" in (tree / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", [[], [""], ["a/b"], ["YOUR_ORG"], ["-a"], ["a", "b"]])
def test_a_name_that_is_no_account_is_refused(name, tmp_path):
    assert owner.main(name, tmp_path) == 2
