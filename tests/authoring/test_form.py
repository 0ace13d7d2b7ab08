"""The form of a suite and its suite.yml: the same values, and nothing else of the file is lost."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.tiers import examples
from toril.authoring.form import FormCriterion, FormRequest, FormStage, SuiteForm, form_of, text_of
from toril.suite import read_suite

WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\x85\ufeff"), max_size=12)
NAME = WORD.filter(lambda text: text != "" and ":" not in text and text == text.strip())
LINE = st.one_of(
    WORD, st.sampled_from(["10", "010", "0.5", "1m30s", "null", "true", "p95>1s", "a: b", "#x", "x #y", "-"])
)
VALUE = LINE.map(str.strip)
BODY = st.one_of(LINE, st.just('{\n  "lamp": "# 1"\n}\n'), st.just("\n\n  a\n"))
REQUESTS = st.builds(
    FormRequest, url=LINE, method=LINE, label=LINE, body=BODY, headers=st.dictionaries(NAME, VALUE, max_size=2)
)
CRITERIA = st.builds(
    FormCriterion,
    subject=st.one_of(LINE, st.sampled_from(["p99", "throughput", "rc5??"])),
    condition=st.one_of(LINE, st.sampled_from([">", "<="])),
    threshold=st.one_of(LINE, st.sampled_from(["300ms", "5%", "4/s"])),
    label=LINE,
    logic=st.sampled_from(["", "for", "within", "x"]),
    timeframe=st.sampled_from(["", "10s", "1"]),
    location=LINE,
    action=st.sampled_from(["", "continue as failed", "stop as non-failed", "continue as non-failed"]),
    message=LINE,
)
OF_TIMES = dict.fromkeys(("ramp_up", "steps", "hold_for"), LINE)
LOADS = st.one_of(
    st.fixed_dictionaries(
        {"load": st.just("users"), "users": st.sampled_from(["1", "20", "many"])},
        optional={**OF_TIMES, "most": LINE, "iterations": LINE, "executor": st.just("jmeter")},
    ),
    st.fixed_dictionaries({"load": st.just("rate")}, optional={**OF_TIMES, "rate": LINE}),
    st.just({"load": "script", "executor": "k6", "script": "load.js"}),
)  # fmt: skip


@st.composite
def stages(draw):
    """A load curve: a start that differs from the rate before, or none."""
    found, before = [], "0"
    for to, lasts, start in draw(st.lists(st.tuples(LINE.filter(bool), LINE, LINE), min_size=1, max_size=4)):
        found.append(FormStage(to=to, lasts=lasts, start="" if start in ("0", before) else start))
        before = to
    return {"load": "stages", "stages": tuple(found)}


@st.composite
def forms(draw):
    load = draw(st.one_of(LOADS, stages()))
    open_model = load["load"] in ("rate", "stages")
    return SuiteForm(
        scenario=draw(NAME),
        address=draw(LINE),
        requests=() if "script" in load else tuple(draw(st.lists(REQUESTS, max_size=3))),
        think_time="" if open_model or "script" in load else draw(LINE),
        locations=draw(st.dictionaries(NAME, LINE, max_size=3)),
        criteria=tuple(draw(st.lists(CRITERIA, max_size=4))),
        steady_only=draw(st.booleans()),
        workers=draw(LINE),
        quorum=draw(LINE),
        description=draw(LINE),
        tags=draw(st.dictionaries(NAME, LINE, max_size=2)),
        **load,
    )


@given(forms())
@examples(300)
def test_a_form_is_read_back_from_its_suite(form):
    assert form_of(text_of(form)) == (form, "")


REST = """
execution: {scenario: old, executor: vegeta, throughput: 5, delay: 10s, files: [a.csv]}
scenarios:
  old: {requests: [http://shop/], headers: {A: b}, timeout: 5s}
  other: {requests: [http://other/]}
settings: {env: {A: b}, ramp-up-exclude: true}
reporting: [{module: final-stats}, {module: passfail, run-at: local, criteria: [fail>1%]}]
modules: {jmeter: {properties: {x: 1}}}
toril: {worker: {cpu: 4096}, gate: true, curves: {other: [{constant: 1, for: 1m}]}}
"""


@given(forms())
@examples(50)
def test_a_form_keeps_what_it_has_no_field_for(form):
    before, after = yaml.safe_load(REST), yaml.safe_load(text_of(form, REST))
    if form.scenario == "other":
        return
    execution, scenario = after["execution"][0], after["scenarios"][form.scenario]
    assert (execution["delay"], execution["files"]) == ("10s", ["a.csv"])
    assert (scenario["headers"], scenario["timeout"]) == ({"A": "b"}, "5s")
    assert after["scenarios"]["other"] == before["scenarios"]["other"]
    assert after["settings"]["env"] == {"A": "b"}
    assert {"module": "final-stats"} in after["reporting"]
    assert any(one.get("run-at") == "local" for one in after["reporting"])
    assert after["modules"] == before["modules"]
    assert after["toril"].items() >= {"worker": {"cpu": 4096}, "gate": True}.items()
    assert after["toril"]["curves"]["other"] == before["toril"]["curves"]["other"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("execution: [{scenario: a}, {scenario: a}]\nscenarios: {a: {requests: [/]}}", "execution[1]"),
        ("execution: {scenario: a, concurrency: {local: 1}}\nscenarios: {a: {requests: [/]}}", "concurrency"),
        ("execution: {scenario: a}\nscenarios: {a: {requests: [{url: /, think-time: 1s}]}}", "requests[0]"),
        ("execution: {scenario: a}\nscenarios: {a: {requests: [{url: /, body: {b: 1}}]}}", "requests"),
        ("execution: {scenario: {requests: [/]}}", "scenario"),
        ("execution: {scenario: a}\nscenarios: {a: {requests: [/]}}\ntoril: {curves: {a: {csv: a.csv}}}", "curves"),
        ("execution: {scenario: a}\nscenarios: {a: {requests: [/]}} # mine", "# mine"),
        ("execution: {scenario: &x a}\nscenarios: {*x : {requests: [/]}}", "anchor"),
        ("execution: {scenario: a, scenario: a}\nscenarios: {a: {requests: [/]}}", "repeated"),
        ('execution: {scenario: a}\nscenarios: {a: {requests: ["/\\n"]}}', "text"),
        ("execution: {scenario: a}\nscenarios: {a: {requests: [/]}}\n---\nsettings: {}", "document"),
        ("a: [", "YAML"),
        ("reporting: {module: passfail, criteria: [nonsense]}\nexecution: {scenario: a}\nscenarios: {a: {}}", "crit"),
    ],
)  # fmt: skip
def test_a_suite_that_the_form_would_change_has_no_form(text, part):
    form, reason = form_of(text)
    assert form is None
    assert part in reason


def test_a_suite_of_a_form_is_a_suite(tmp_path):
    form = SuiteForm(
        scenario="shop",
        address="http://shop",
        requests=(FormRequest(url="/"), FormRequest(url="/cart", method="POST", headers={"A": "b"}, body="x\ny\n")),
        load="stages",
        stages=tuple(FormStage(to=to, lasts=lasts) for to, lasts in (("50", "1m"), ("50", "2m"), ("80", "1m"))),
        locations={"eu-west-1": "2", "us-east-1": "1"},
        criteria=tuple(FormCriterion(subject=one, threshold=than) for one, than in (("p95", "300ms"), ("load", "95%"))),
        steady_only=True,
        workers="3",
        quorum="90%",
        description="The checkout",
        tags={"team": "shop"},
    )  # fmt: skip
    (tmp_path / "suite.yml").write_text(text_of(form))
    suite = read_suite([tmp_path])
    assert not suite.warnings
    curve = suite.executions[0].curve
    assert curve is not None
    assert curve.points == ((0, 0), (60, 50), (180, 50), (240, 80))
    assert [one.language for one in suite.criteria] == ["taurus", "toril"]
    assert suite.toril.tags == {"team": "shop"}
