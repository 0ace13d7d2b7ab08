"""The form of a suite and its suite.yml: the same values, and nothing else of the file is lost."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.tiers import examples
from toril.authoring.form import (
    FormCriterion,
    FormData,
    FormExecution,
    FormStage,
    SuiteForm,
    form_of,
    kept_by,
    text_of,
)
from toril.authoring.steps import EXTRACTOR, FormCarried, FormCheck, FormStep, difference, plain
from toril.suite import read_suite

WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\x85\ufeff"), max_size=12)
NAME = WORD.filter(lambda text: text != "" and ":" not in text and text == text.strip())
LINE = st.one_of(
    WORD, st.sampled_from(["10", "010", "0.5", "1m30s", "null", "true", "p95>1s", "a: b", "#x", "x #y", "-"])
)
VALUE = LINE.map(str.strip)
BODY = st.one_of(LINE, st.just('{\n  "lamp": "# 1"\n}\n'), st.just("\n\n  a\n"))
FULL = VALUE.filter(bool)
HEADERS = st.dictionaries(NAME.filter(lambda name: name.lower() != "content-type"), VALUE, max_size=2)
PAIRS = st.dictionaries(NAME.filter(lambda name: "=" not in name), VALUE, max_size=2)
CHECKS = st.lists(
    st.one_of(
        st.builds(FormCheck, how=st.sampled_from(["status", "contains", "lacks", "matches"]), value=FULL),
        st.builds(FormCheck, how=st.just("jsonpath"), path=FULL, value=VALUE),
    ),
    max_size=3,
).map(lambda checks: tuple(sorted(checks, key=lambda check: check.how == "jsonpath")))
CARRIED = st.lists(
    st.builds(FormCarried, name=NAME, how=st.sampled_from([*EXTRACTOR]), expression=FULL, default=VALUE),
    max_size=3,
    unique_by=lambda carried: carried.name,
).map(lambda carried: tuple(sorted(carried, key=lambda one: [*EXTRACTOR].index(one.how))))
BODIES = st.one_of(
    BODY.map(lambda body: {"body": body}),
    BODY.filter(bool).map(lambda body: {"body": body, "body_as": "json"}),
    st.dictionaries(NAME.filter(lambda name: "=" not in name), VALUE, min_size=1, max_size=2).map(
        lambda pairs: {"body": "".join(f"{name}={value}\n" for name, value in pairs.items()), "body_as": "form"}
    ),
)
UNKNOWN = st.dictionaries(
    st.sampled_from(["retry", "jsr223", "upload-files", "keepalive", "timeout"]),
    st.one_of(st.booleans(), st.integers(), st.lists(FULL, min_size=1, max_size=2), st.just({"a": {"b": [1]}})),
    max_size=2,
)
WHOLE = st.sampled_from(
    [{"if": "1", "then": ["/"]}, {"loop": 2, "do": [{"url": "/", "x": 1}]}, {"transaction": "", "do": []}]
)


@st.composite
def steps(draw):
    """Steps in and outside of transactions."""
    if draw(st.integers(0, 5)) == 0:
        return FormStep(whole=True, kept=draw(WHOLE))
    return FormStep(
        url=draw(FULL),
        method=draw(VALUE),
        label=draw(LINE),
        think_time=draw(LINE),
        headers=draw(HEADERS),
        checks=draw(CHECKS),
        carried=draw(CARRIED),
        kept=draw(UNKNOWN),
        transaction=draw(st.sampled_from(["", "", "buy", "log in"])),
        **draw(BODIES),
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
OF_TIMES = dict.fromkeys(("ramp_up", "steps_of_ramp", "hold_for"), LINE)
LOADS = st.one_of(
    st.fixed_dictionaries(
        {"load": st.just("users"), "users": st.sampled_from(["1", "20", "many"])},
        optional={**OF_TIMES, "most": LINE, "iterations": LINE, "executor": st.sampled_from(["jmeter", "locust"])},
    ),
    st.fixed_dictionaries(
        {"load": st.just("users"), "users": LINE.filter(bool), "taurus": st.sampled_from(["jmeter", "toril"])}
    ),
    st.fixed_dictionaries({"load": st.just("arrivals"), "arrivals": st.sampled_from(["5/s", "7"])}, optional=OF_TIMES),
    st.fixed_dictionaries({"load": st.just("rate"), "rate": LINE.filter(bool)}, optional=OF_TIMES),
    st.just({"load": "script", "executor": "k6", "script": "load.js"}),
)  # fmt: skip


@st.composite
def stages(draw):
    """A load curve: a start that differs from the rate before, or none."""
    found, before = [], "0"
    for to, lasts, start in draw(st.lists(st.tuples(LINE.filter(bool), LINE, LINE), min_size=1, max_size=4)):
        found.append(FormStage(to=to, lasts=lasts, start="" if start in ("0", before) else start))
        before = to
    counted = draw(st.sampled_from(["requests", "journeys"]))
    return {"load": "stages", "stages": tuple(found), "counted": counted}


@st.composite
def executions(draw):
    load = draw(st.one_of(LOADS, stages()))
    open_model = load["load"] == "rate" or load.get("counted") == "requests"
    return FormExecution(
        scenario=draw(NAME),
        address=draw(LINE),
        steps=() if "script" in load else tuple(draw(st.lists(steps(), max_size=3))),
        think_time="" if open_model or "script" in load else draw(LINE),
        headers=draw(HEADERS),
        variables=draw(PAIRS),
        data=tuple(draw(st.lists(st.builds(FormData, path=FULL, names=LINE), max_size=2))),
        delay=draw(LINE),
        locations=draw(st.dictionaries(NAME, LINE, max_size=3)),
        **load,
    )


@st.composite
def forms(draw):
    return SuiteForm(
        executions=tuple(draw(st.lists(executions(), min_size=1, max_size=3, unique_by=lambda one: one.scenario))),
        criteria=tuple(draw(st.lists(CRITERIA, max_size=4))),
        steady_only=draw(st.booleans()),
        workers=draw(LINE),
        quorum=draw(LINE),
        description=draw(LINE),
        tags=draw(st.dictionaries(NAME, LINE, max_size=2)),
    )


@given(forms())
@examples(120)
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
    if any(own.scenario == "other" for own in form.executions):
        return
    assert after["scenarios"]["other"] == before["scenarios"]["other"]
    assert after["settings"]["env"] == {"A": "b"}
    assert {"module": "final-stats"} in after["reporting"]
    assert any(one.get("run-at") == "local" for one in after["reporting"])
    assert after["modules"] == before["modules"]
    assert after["toril"].items() >= {"worker": {"cpu": 4096}, "gate": True}.items()
    assert after["toril"]["curves"]["other"] == before["toril"]["curves"]["other"]


def meaning(text):
    """A suite as values: without comments and criteria, and Taurus' short forms in their long form."""
    document = yaml.safe_load(text)
    executions = document.get("execution")
    executions = executions if isinstance(executions, list) else [executions]
    scenarios = {name: plain(own) for name, own in (document.get("scenarios") or {}).items()}
    rest = {key: own for key, own in document.items() if key not in ("reporting", "toril")}
    ours = {**document.get("toril", {}), "criteria": None}
    return {**rest, "execution": executions, "scenarios": scenarios, "toril": ours}


@pytest.mark.parametrize("file", sorted(Path("loadtests").glob("*/suite.yml")), ids=lambda file: file.parent.name)
def test_each_suite_has_a_form_that_keeps_its_meaning(file):
    text = file.read_text()
    form, _ = form_of(text)
    assert form is not None
    written = text_of(form, text)
    assert difference(meaning(written), meaning(text), "") == ""
    assert form_of(written)[0] == form


JOURNEY = """
execution:
- {scenario: buy, concurrency: 5, hold-for: 1m, files: [a.csv], retries: 2}
- {scenario: {requests: [/]}, concurrency: 1}
- {scenario: buy, throughput: 7, hold-for: 10s}
scenarios:
  buy:
    default-address: http://shop
    timeout: 5s
    data-sources: [users.csv, {path: lamps.csv, delimiter: ';', variable-names: 'lamp,price'}]
    variables: {currency: EUR, n: 1, list: [1]}
    requests:
    - url: /login
      method: POST
      body: {user: ada, n: 1}
      headers: {content-type: application/json}
      extract-jsonpath: {token: {jsonpath: $.token}, id: {jsonpath: $.id, default: none, scope: all}}
      extract-css-jquery: {csrf: 'input[name=csrf]'}
      assert:
      - {contains: ['200'], subject: http-code, regexp: false}
      - welcome
      - {contains: [error], regexp: false, not: true}
      assert-jsonpath: [{jsonpath: $.user, expected-value: ada, validate: true}, $.token]
      retry: 3
    - transaction: pay
      do: [{url: /pay, body: {card: 1}, think-time: 2s}, {transaction: inner, do: [/a]}]
    - {once: [/terms]}
modules: {jmeter: {properties: {x: 1}}}
"""


def test_a_journey_becomes_fields_and_what_has_none_is_named_and_kept():
    form, notice = form_of(JOURNEY)
    assert form is not None
    assert (notice, kept_by(JOURNEY)) == ("", ["modules"])
    first, whole, second = form.executions
    assert (first.also, whole.whole, form.shared(2), second.steps) == (
        ["files", "retries", "timeout", "variables"],
        True,
        True,
        (),
    )
    assert (first.variables, second.most) == ({"currency": "EUR", "n": "1"}, "7")
    assert [(own.path, own.names, own.kept) for own in first.data] == [
        ("users.csv", "", {}),
        ("lamps.csv", "lamp,price", {"delimiter": ";"}),
    ]
    login, pay, inner, once = first.steps
    assert (login.method, login.body_as, login.body, login.headers) == ("POST", "json", '{"user": "ada", "n": 1}', {})
    assert [(check.how, check.path, check.value) for check in login.checks] == [
        ("status", "", "200"),
        ("matches", "", "welcome"),
        ("lacks", "", "error"),
        ("jsonpath", "$.user", "ada"),
        ("jsonpath", "$.token", ""),
    ]
    assert [(own.name, own.how, own.expression) for own in login.carried] == [
        ("token", "jsonpath", "$.token"),
        ("csrf", "css", "input[name=csrf]"),
    ]
    assert login.also == ["extract-jsonpath", "retry"]
    assert (pay.transaction, pay.body_as, pay.body, pay.think_time) == ("pay", "form", "card=1\n", "2s")
    assert (inner.whole, inner.transaction, inner.also) == (True, "pay", ["transaction", "do"])
    assert (once.whole, once.transaction) == (True, "")
    assert difference(meaning(text_of(form, JOURNEY)), meaning(JOURNEY), "") == ""


def test_a_renamed_or_removed_scenario_leaves_nothing_behind():
    form, _ = form_of(REST)
    assert form is not None
    (old,) = form.executions
    renamed = form.model_copy(update={"executions": (old.model_copy(update={"scenario": "new"}),)})
    assert yaml.safe_load(text_of(renamed, REST))["scenarios"].keys() == {"new", "other"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("execution: {scenario: a}\nscenarios: {a: {requests: [/]}} # mine", "# mine"),
        ("execution: {scenario: &x a}\nscenarios: {*x : {requests: [/]}}", "anchor"),
    ],
)
def test_a_form_names_what_it_would_remove(text, part):
    form, notice = form_of(text)
    assert form is not None
    assert part in notice


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("execution: {scenario: a, scenario: a}\nscenarios: {a: {requests: [/]}}", "repeated"),
        ("execution: {scenario: a}\nscenarios: {a: {requests: [[/]]}}", "text"),
        ('execution: {scenario: a}\nscenarios: {a: {default-address: "/\\n"}}', "text"),
        ("execution: {scenario: a}\nscenarios: {a: {requests: [/]}}\n---\nsettings: {}", "document"),
        ("a: [", "YAML"),
        ("reporting: {module: passfail, criteria: [nonsense]}\nexecution: {scenario: a}\nscenarios: {a: {}}", "crit"),
        (f"execution: {{scenario: a}}\nscenarios: {{a: {{requests: [{'/,' * 201}]}}}}", "200 steps"),
    ],
)  # fmt: skip
def test_a_suite_that_the_form_would_change_has_no_form(text, part):
    form, reason = form_of(text)
    assert form is None
    assert part in reason


def test_a_suite_of_a_form_is_a_suite(tmp_path):
    execution = FormExecution(
        scenario="shop",
        address="http://shop",
        steps=(FormStep(url="/"), FormStep(url="/cart", method="POST", headers={"A": "b"}, body="x\ny\n")),
        load="stages",
        stages=tuple(FormStage(to=to, lasts=lasts) for to, lasts in (("50", "1m"), ("50", "2m"), ("80", "1m"))),
        locations={"eu-west-1": "2", "us-east-1": "1"},
    )
    form = SuiteForm(
        executions=(execution,),
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
