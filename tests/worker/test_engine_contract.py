"""What every engine does alike, against services that misbehave: nothing is repeated, and failures are failures."""

import pytest

from tests.wicked import (
    answering,
    babbling,
    breaking_off,
    closing,
    hanging_up,
    in_turn,
    refusing,
    resetting,
    retiring,
    wicked,
)
from tests.worker.contract import ENGINES, load
from toril.audits.load import IDLE_CLOSED
from toril.programs import gatling_home

pytestmark = pytest.mark.live

GATLING = pytest.param(
    "gatling",
    marks=[
        pytest.mark.nightly,
        pytest.mark.skipif(not gatling_home().is_dir(), reason="`make gatling` has not assembled Gatling"),
    ],
)
AT_NIGHT = {"HttpUser", "apiritif", "jmeter"}  # two twins, and one that starts slowly
OTHERS = [
    pytest.param(one, marks=pytest.mark.nightly) if one in AT_NIGHT else one for one in ENGINES if one != "gatling"
]
each_engine = pytest.mark.parametrize("engine", [*OTHERS, GATLING])


@each_engine
def test_no_broken_answer_makes_an_engine_repeat_a_request_or_count_it_as_a_success(engine, tmp_path):
    broken = (resetting(1), closing(1), breaking_off(), babbling())
    with wicked(in_turn(*[answering()] * 5, *broken)) as service:
        found = load(engine, tmp_path, service.url, users=2, seconds=1.5, think_s=0.02)
    assert found.samples + found.unfinished == service.asked >= 9
    if not found.unfinished:
        assert found.total().failures == sum(number % 9 >= 5 for number in range(service.asked))


@each_engine
def test_a_status_from_400_that_the_script_does_not_judge_is_a_failure(engine, tmp_path):
    with wicked(in_turn(answering(), refusing(401), refusing(503))) as service:
        found = load(engine, tmp_path, service.url, users=1, seconds=2, think_s=0.05)
    assert found.samples == service.asked >= 3
    assert found.total().failures == sum(number % 3 > 0 for number in range(service.asked))


@pytest.mark.nightly  # on a crowded machine a request can meet the end of its connection
@each_engine
def test_a_connection_that_the_service_closed_after_some_answers_is_not_used(engine, tmp_path):
    with wicked(retiring(after=3)) as service:
        found = load(engine, tmp_path, service.url, users=2, seconds=1.5, think_s=0.02)
    assert found.total().failures == 0
    assert found.samples == service.asked > 3


@each_engine
def test_a_connection_that_the_service_closed_while_it_was_idle_is_not_used(engine, tmp_path):
    with wicked(answering(), idle_s=0.5) as service:
        found = load(engine, tmp_path, service.url, users=1, seconds=4, think_s=1.0)
    assert found.total().failures == 0
    assert found.samples == service.asked >= 2


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["locust", "HttpUser", "apiritif script", "jmeter", "vegeta"])
def test_a_request_that_meets_the_end_of_an_idle_connection_has_its_own_code_and_no_successors(engine, tmp_path):
    with wicked(hanging_up(idle_s=0.3)) as service:
        found = load(engine, tmp_path, service.url, users=1, seconds=5, think_s=0.5)
    assert found.total().failed.rc.keys() == {IDLE_CLOSED}
    assert found.total().failures <= found.samples // 3  # unlearnt, every second request
    assert found.samples == service.asked
