"""Files merge and overrides apply exactly as in bzt."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.refusals import refused
from tests.suite import oracle
from tests.suite.reading import codes
from tests.tiers import examples
from toril.errors import SuiteError
from toril.suite.documents import load, parse
from toril.suite.merge import apply_overrides, merge, merged_configuration

QUIET = examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.sampled_from(["a", "b", "execution", "settings"])
PREFIXED = st.builds(lambda prefix, name: prefix + name, st.sampled_from(["", "", "", "~", "^", "$"]), NAMES)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["x", "5", "a", ""]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PREFIXED, inner, max_size=3), max_leaves=10
)
DOCUMENTS = st.dictionaries(PREFIXED, VALUES, max_size=4)


def merged_by_us(paths):
    config: dict = {}
    for path in paths:
        for document in load(path, path.name)[0]:
            merge(config, document)
    return config


@QUIET
@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=4))
def test_any_files_merge_as_bzt_merges_them(tmp_path, documents):
    paths = []
    for index, document in enumerate(documents):
        paths.append(tmp_path / f"{index}.json")
        paths[-1].write_text(json.dumps(document))
    assert merged_by_us(paths) == oracle.merged([str(path) for path in paths])


@given(documents=st.lists(DOCUMENTS, min_size=2, max_size=3))
@examples(60)
def test_merging_copies_its_values(documents):
    before = deepcopy(documents)
    config: dict = {}
    for document in documents:
        merge(config, document)
    apply_overrides(config, ["*a=changed", "*b=changed"])
    assert documents == before


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n---\nb: 2\n---\n---\na: 3\n",
        "execution:\n\t- scenario: x\n",
        '{"a": {\t"b": 1e5, "c": [1, 2]}}',
        '{\n\t"a": "tab\tinside"\n}',
        "a: &x {b: 1}\nc: {<<: *x, d: 2}\ne: *x\n",
        "a: yes\nb: 012\nc: 1:30\nd: 1_000\ne: .5\nf: 2026-11-24\ng: 2026-11-24 10:00:00\nh: ~\n",
        "a: 1\na: 2\n",
        "# only a comment\n",
        "",
        "\ufeffa: 1\n",
        "requests:\n- {200: ok, true: no, 1.5: x}\n",
        "a: !!str 5\nb: ! 6\n",
    ],
)
def test_unusual_files_are_read_as_bzt_reads_them(tmp_path, text):
    path = tmp_path / "suite.yml"
    path.write_text(text)
    assert json.dumps(merged_by_us([path])).lower() == json.dumps(oracle.merged([str(path)])).lower()


def test_bzts_own_base_configuration_merges_as_bzt_merges_it():
    paths = [oracle.RESOURCES / "10-base-config.yml", oracle.RESOURCES / "base-bzt-rc.yml"]
    assert merged_by_us(paths) == oracle.merged([str(path) for path in paths])


def test_tabs_and_repeated_keys_are_noted():
    _, warnings = parse("c:\n\t- 1\na: 1\na: 2\n", "suite.yml")
    assert codes(warnings) == ["tabs", "repeated-key"]
    assert "line 2" in warnings[0].message
    assert "line 4" in warnings[1].message
    assert "`a`" in warnings[1].message


KEYS = st.sampled_from(["a", "b", "execution", "new"])
PARTS = st.one_of(KEYS, KEYS, st.sampled_from(["0", "1", "3", "-1"]))
LAST = st.one_of(PARTS, KEYS.map("^{}".format), KEYS.map("*{}".format), st.sampled_from(["^0", "^-1", "^5"]))
WRITTEN = st.sampled_from(
    ["5", "5s", "{a: [1, {b: 2}]}", "[1, 2]", "", "null", "a: b: c", "yes", "1.5", "'5'", "x=y", "!!python/none 1"]
)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=10
)


@examples(500)
@given(
    config=st.dictionaries(NAMES, PLAIN, max_size=4),
    path=st.builds(lambda parts, last: ".".join([*parts, last]), st.lists(PARTS, max_size=3), LAST),
    value=WRITTEN,
)
def test_an_override_behaves_as_in_bzt_or_is_rejected_if_bzt_fails(config, path, value):
    override = f"{path}={value}"
    ours = deepcopy(config)
    try:
        expected = oracle.overridden(config, [override])
    except Exception:
        with refused("bad-override", f"-o {override}"):
            apply_overrides(ours, [override])
        return
    try:
        apply_overrides(ours, [override])
    except SuiteError as error:
        assert error.code == "bad-override"
        assert "*" in path  # bzt does nothing, without a message
        return
    assert ours == expected


def test_overrides_apply_in_their_order():
    config: dict = {"execution": [{"concurrency": 1}]}
    apply_overrides(
        config, ["execution.0.hold-for=5s", "execution.-1.scenario=x", "execution.0.^concurrency=", "*hold-for=9s"]
    )
    assert config == {"execution": [{"hold-for": "9s"}, {"scenario": "x"}]}


@pytest.mark.parametrize(
    "override", ["novalue", "=5", "a..b=5", ".a=5", "execution.99999.a=1", "execution.0.=5", "a.=1"]
)
def test_an_override_of_a_missing_place_is_rejected(override):
    with refused("bad-override", f"-o {override}"):
        apply_overrides({"execution": []}, [override])


def test_included_configs_are_merged_after_the_files_and_in_their_order(tmp_path, monkeypatch):
    files = {
        "suite.yml": "included-configs: [one.yml, two.yml]\na: [suite]\nb: suite\n",
        "one.yml": "included-configs: [three.yml, one.yml]\na: [one]\nb: one\n",
        "two.yml": "a: [two]\nb: two\n",
        "three.yml": "a: [three]\n~b: {c: three}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    ours, used, _ = merged_configuration([Path("suite.yml")])
    assert [path.name for path in used] == ["suite.yml", "one.yml", "two.yml", "three.yml"]
    assert ours == oracle.included(["suite.yml"])
