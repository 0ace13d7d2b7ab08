"""`toril import`: its options, scripts that stay as they are, and what it prints."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.authoring import recordings
from toril import cli
from toril.authoring.correlation import Carried, Correlation
from toril.authoring.importing import Imported
from toril.authoring.recorded import Extract, ValuePlace
from toril.cli.importing import explained
from toril.errors import UserError
from toril.suite import read_suite

K6 = """
import http from 'k6/http';
import { check } from "k6";
import { home } from './lib/pages.js';
const users = JSON.parse(open('./data/users.json'));
export const options = { vus: 3, duration: '10s' };
export default function () { home(users[0]); }
"""
GATLING = """
import io.gatling.core.Predef._
class Shop extends Simulation { setUp(scenario("shop").feed(csv("users.csv")).inject(atOnceUsers(1))) }
"""


def call(*arguments: str, text: str = "") -> Result:
    """Calls the command; any error other than UserError fails the test."""
    done = CliRunner().invoke(cli.app, ["import", *arguments], input=text)
    if done.exception and not isinstance(done.exception, (SystemExit, UserError)):
        raise done.exception
    return done


def files(folder: Path, **contents: str) -> None:
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.mark.parametrize(
    ("name", "executor", "companions"),
    [("shop.js", "k6", {"lib/pages.js", "lib/base.js", "data/users.json"}), ("Shop.scala", "gatling", {"users.csv"})],
)
def test_a_script_is_copied_unchanged_with_its_files_and_keeps_its_load(name, executor, companions, tmp_path):
    files(
        tmp_path / "own", shop_js=K6, Shop_scala=GATLING, users_csv="name\nada\n", data__users_json="[1]",
        lib__pages_js="import x from './base.js';", lib__base_js="", other_js="",
    )  # fmt: skip
    done = call(str(tmp_path / "own" / name), "--into", str(tmp_path), "--name", "shop")
    assert done.exit_code == 0, done.output
    home = tmp_path / "loadtests/shop"
    assert {str(path.relative_to(home)) for path in home.rglob("*.*")} == {"suite.yml", name, *companions}
    assert (home / name).read_text() == (tmp_path / "own" / name).read_text()
    suite = read_suite([home])
    assert [(one.executor, one.concurrency) for one in suite.executions] == [(executor, None)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["-"], "not-a-file"),
        (["-", "--with", "images"], "option-value"),
        (["-", "--host", "a b"], "option-value"),
        (["-", "--host", "https://ada:x@a.example"], "credentials-in-address"),
        (["-", "--length", "soon"], "not-a-duration"),
        (["missing.har"], "no-such-file"),
    ],
)
def test_wrong_options_are_refused(arguments, code, tmp_path):
    done = call(*arguments, "--into", str(tmp_path), text=K6)
    assert isinstance(done.exception, UserError), done.output
    assert done.exception.code == code
    assert not list(tmp_path.iterdir())


def test_a_replay_asks_before_it_changes_data(tmp_path):
    done = call("-", "--replay", "--into", str(tmp_path), text="curl https://a.example -d x\n")
    assert done.exit_code == 130
    assert not list(tmp_path.iterdir())


def test_a_rule_is_explained_by_source_uses_and_reasons():
    extract = Extract(variable="csrf", how="css", expression="input[name=csrf]", attribute="value")
    place = ValuePlace("request", "form", "csrf")
    rule = Carried(
        number=1, extract=extract, source=1, uses=((2, place),), confidence=0.85, why=("hidden .20",), masked="abc…",
        applied=True,
    )  # fmt: skip
    done = Imported(created=None, recorded=recordings.login(), correlation=Correlation(rules=(rule,)))  # type: ignore[arg-type]
    (shown,) = explained(done)
    assert (shown["rule"], shown["value"], shown["confidence"]) == (1, "abc…", 0.85)
    assert shown["source"].endswith("→ input[name=csrf]")
    assert shown["uses"][0].endswith("form csrf")
