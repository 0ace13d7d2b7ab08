"""Each input gives an error, or a suite and a workflow with exactly that value."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.authoring.calling import call, tree, written
from tests.tiers import examples
from toril.errors import UserError

NASTY = [
    *(
        "",
        " ",
        ": ",
        " #",
        "#",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "!x",
        "|",
        ">",
        "%",
        "@",
        "`",
        ",",
        "\\",
        "=",
        "/",
    ),
    *(
        "\n",
        "\r\n",
        "\t",
        "\0",
        "\x7f",
        "\x1b",
        "\u2028",
        "\ufeff",
        "é",
        "🎉",
        "\ud800",
        "--",
        "- ",
        "? ",
        "~",
        "<<",
        "..",
    ),
    *("null", "yes", "0x1f", "1e3", "1_0", "12:30"),
    *("${{ github.token }}", "${HOME}", "$(id)", "`id`", "; rm", "{{ 7*7 }}", "{% raw %}"),
]
part = st.sampled_from(NASTY) | st.text(max_size=8)


def around(*good: str) -> st.SearchStrategy[str]:
    """Valid texts, unchanged or with a hostile part."""
    inserted = st.builds(lambda text, at, what: text[: at % (len(text) + 1)] + what + text[at % (len(text) + 1) :],
                         st.sampled_from(good), st.integers(0, 99), part)  # fmt: skip
    return st.sampled_from(good) | inserted | st.lists(part, max_size=4).map("".join)


GOOD = {
    "name": ("shop", "null", "0x1F", "1_000", "yes", "1e3"),
    "url": (
        "http://shop",
        "https://shop.example.com:8443/a:b/c?q=[1]&x='y',$z;!*~@",
        "http://[::1]:80/-",
        "http://0/?x",
    ),
    "criterion": (
        "p95>500ms",
        "fail>1%",
        "slow: p95 of a/b>1s for 10s, continue as failed",
        "rc5??>0",
        "throughput<4/s",
    ),
    "locations": ("eu-west-1=2", "null", "1e3=0.5", "0x1f", "yes=3"),
}
good = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in GOOD.items()})
one_of_them_hostile = st.sampled_from(sorted(GOOD)).flatmap(lambda key: st.tuples(st.just(key), around(*GOOD[key])))


def same_address(url: str, found: str) -> bool:
    wanted, got = urlsplit(url.strip()), urlsplit(found)
    return (wanted.scheme, wanted.netloc, wanted.path or "/", wanted.query) == (
        got.scheme,
        got.netloc,
        got.path,
        got.query,
    )


@examples(200)
@given(asked=good, replaced=one_of_them_hostile)
def test_every_value_is_written_exactly_or_refused(asked, replaced):
    asked |= [replaced]
    name, url, limit, location = (asked[key] for key in ("name", "url", "criterion", "locations"))
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "repo"
        done = call(folder, *(f"--{key}={text}" for key, text in asked.items()))
        if done.exception:
            assert isinstance(done.exception, UserError), done.output
            assert done.exception.code
            assert str(done.exception).isprintable()
            assert not tree(Path(top))
            return
        suite = written(folder, name)
        workflow = yaml.safe_load((folder / ".github/workflows/loadtest.yml").read_text())
    (execution,) = suite.executions
    scenario = suite.common["scenarios"][name]
    assert suite.name == execution.scenario == name
    assert same_address(url, scenario["default-address"] + scenario["requests"][0])
    assert ["".join(str(one.source).split()) for one in suite.criteria] == ["".join(limit.split())]
    parts = [part.partition("=") for part in "".join(location.split()).split(",")]
    assert {key: float(value) for key, value in execution.locations.items()} == {
        where: float(weight or 1) for where, _, weight in parts
    }
    assert workflow["jobs"]["load-test"]["steps"][1]["with"] == {"suite": f"loadtests/{name}", "engine": True}


@examples(60)
@given(stem=around("load", "load test", "1e3"), data=around("users.csv", "data/users.csv"))
def test_a_file_of_any_name_is_copied_or_refused(stem, data):
    with tempfile.TemporaryDirectory() as top:
        mine, folder = Path(top) / "mine", Path(top) / "repo"
        script = mine / f"{stem}.py"
        try:
            script.parent.mkdir(parents=True)
            script.write_text(f"from locust import User\nNAME = {data!r}\n")
            (mine / data).parent.mkdir(parents=True, exist_ok=True)
            (mine / data).write_text("a,b\n")
        except (OSError, ValueError):  # the file system rejects such a name
            return
        done = call(folder, str(script), "--name", "shop")
        if done.exception:
            assert isinstance(done.exception, UserError), done.output
            assert not folder.exists()
            return
        scenario = written(folder, "shop").common["scenarios"]["shop"]
        assert scenario["script"] == script.name
        assert all(path.startswith(("loadtests", ".github")) for path in tree(folder))
        assert {path.name for path in Path(top).iterdir()} == {"mine", "repo"} | {
            Path(top, *Path(data).parts[:1]).name
        } & {"mine"}
