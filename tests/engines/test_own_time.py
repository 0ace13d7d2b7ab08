"""The load time of one arm, by the cases of `turns.json`. `tools/engine/engine_test.go` reads them, too."""

import json
import subprocess
from math import inf
from pathlib import Path
from string import Template
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.engines.jmeter.executor import find_java
from toril.engines.turns import Turns
from toril.programs import jmeter_home

FILE = Path(__file__).with_name("turns.json")
CASES = json.loads(FILE.read_text())
LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), min_size=1, max_size=8)  # of gaps and turns


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["turns"])
def test_load_time_stands_still_between_turns(case: dict[str, Any]) -> None:
    turns = Turns([(begin, end) for begin, end in case["spans"]])
    for name, found in (("at", turns.at), ("own", turns.own_s), ("wait", turns.wait_s)):
        for given_s, wanted_s in case[name]:
            assert found(given_s) == (inf if wanted_s is None else wanted_s), (name, given_s)


IN_JAVA = Template("""
import com.fasterxml.jackson.databind.ObjectMapper;
mapper = new ObjectMapper();
for (one : mapper.readTree(new File("$file"))) {
    turns = new toril.Turns$$Spans(mapper.treeToValue(one.get("spans"), double[][].class));
    for (pair : one.get("at")) print(turns.at(pair.get(0).asDouble()));
    for (pair : one.get("own")) print(turns.ownS(pair.get(0).asDouble()));
    for (pair : one.get("wait")) print(turns.waitS(pair.get(0).asDouble()));
}
""")


@pytest.mark.live
def test_jmeter_computes_the_same(tmp_path: Path) -> None:
    script = tmp_path / "turns.bsh"
    script.write_text(IN_JAVA.substitute(file=FILE))
    jars = f"{jmeter_home() / 'lib'}/*:{jmeter_home() / 'lib' / 'ext'}/*"
    command = [find_java(), "-cp", jars, "bsh.Interpreter", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = [inf if one is None else one for case in CASES for name in ("at", "own", "wait") for _, one in case[name]]
    assert list(map(float, done.stdout.replace("Infinity", "inf").split())) == wanted, done.stdout + done.stderr


@given(LENGTHS, st.integers(0, 1000))
def test_a_pause_of_load_time_ends_within_a_turn(lengths: list[tuple[int, int]], tenths: int) -> None:
    spans, end = [], 0.0
    for gap, length in lengths:
        spans.append((end + gap / 4, end + gap / 4 + length / 4))
        end = spans[-1][1]
    turns, own_s = Turns(spans), tenths / 8
    at = turns.at(own_s)
    assert at == inf or (turns.wait_s(at) == 0 and turns.own_s(at) == own_s)
    assert (at == inf) == (own_s >= sum(length for _, length in lengths) / 4)
