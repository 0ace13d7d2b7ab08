"""The Universal Scalability Law: fitted to services with known truth, and refused where measurements are too few."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.stats.usl import LEAST, Law, NoLaw
from toril.stats.usl import fit as fit_measured

TWO = (0.1, 0.2, 0.4, 0.6, 0.75, 0.88)  # busy parts of two servers
LOADS = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]


def exact(alpha: float, beta: float, gamma: float = 100.0, loads: list[float] = LOADS) -> list[float]:
    """Returns the rates of a service that follows the law."""
    return [gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1)) for n in loads]


def one_server(*busy: float, per_s: float = 100.0) -> tuple[list[float], list[float]]:
    """Returns requests in progress and rates of a queue with one server (M/M/1), which follows the law with α = ½."""
    return [part / (1 - part) for part in busy], [part * per_s for part in busy]


def fit(loads: list[float], rates: list[float], seconds: float = 1e5) -> Law | NoLaw:
    """Returns the law of rates that were measured for so long that their mean is exact."""
    return fit_measured(loads, rates, [seconds] * len(rates))


def fitted(loads: list[float], rates: list[float]) -> Law:
    law = fit(loads, rates)
    assert isinstance(law, Law)
    return law


@given(st.floats(0.02, 0.5), st.floats(0.0, 0.01), st.floats(1, 1e5))
def test_an_exact_law_is_recovered(alpha: float, beta: float, gamma: float) -> None:
    law = fit(LOADS, exact(alpha, beta, gamma))
    if isinstance(law, NoLaw):  # a whole law whose peak is not measured differs too much from the law without coherency
        assert law.code in ("wide-interval", "no-bend")
        return
    found = (law.gamma.value, law.alpha.value, law.beta.value)
    assert found == pytest.approx((gamma, alpha, beta), rel=1e-6, abs=1e-9)


def test_the_limit_of_a_queue_with_one_server_is_its_service_rate() -> None:
    law = fitted(*one_server(0.1, 0.2, 0.4, 0.6, 0.8, 0.9))
    assert (law.gamma.value, law.alpha.value, law.beta.value) == pytest.approx((50, 0.5, 0), abs=1e-6)
    assert law.limit.value == pytest.approx(100)
    assert law.limit.low <= 100.0001 and law.limit.high >= 99.9999


def test_a_measured_decline_gives_the_peak() -> None:
    alpha, beta = 0.05, 0.001
    law = fitted(LOADS, exact(alpha, beta))
    peak = math.sqrt((1 - alpha) / beta)
    assert law.limit.value == pytest.approx(exact(alpha, beta, loads=[peak])[0])
    assert law.doubled is not None
    assert law.doubled.value == pytest.approx(exact(alpha, beta, loads=[256.0])[0])


def test_the_bend_lies_between_the_rates_at_which_the_mean_response_time_doubles() -> None:
    """It is 1 / (1 − busy) service times: 1.11 at 10/s, 1.54 at 35/s, and 5 at 80/s. At 60/s it is twice ± 25 %."""
    assert fitted(*one_server(0.1, 0.3, 0.35, 0.6, 0.8, 0.9)).bend == pytest.approx((35, 80))


@pytest.mark.parametrize(
    ("loads", "rates", "code"),
    [
        (LOADS[: LEAST - 1], exact(0.1, 0.001)[: LEAST - 1], "too-few-rates"),
        ([8.0] * 8, [80.0 + number for number in range(8)], "narrow-range"),
        (LOADS, exact(0.001, 0.0), "no-bend"),
        (LOADS, [100, 50, 300, 100, 500, 90, 400, 120], "poor-fit"),
        ([2 * busy / (1 - busy**2) for busy in TWO], [200 * busy for busy in TWO], "wide-interval"),  # two servers
    ],
)
def test_measurements_that_do_not_support_the_law_are_refused(loads, rates, code) -> None:
    jitter = [1 + 0.02 * (-1) ** place for place in range(len(rates))]
    law = fit(loads, [rate * noise for rate, noise in zip(rates, jitter, strict=True)])
    assert isinstance(law, NoLaw)
    assert law.code == code


def test_a_short_measurement_near_the_limit_has_a_wide_interval() -> None:
    widths = []
    for seconds in (1e5, 50.0):
        law = fit(*one_server(0.1, 0.2, 0.4, 0.6, 0.8, 0.9), seconds)
        assert isinstance(law, Law)
        widths.append(law.limit.high / law.limit.low)
    assert widths[0] < widths[1]
    short = fit(*one_server(0.1, 0.2, 0.4, 0.6, 0.8, 0.9), 1)
    assert isinstance(short, NoLaw)
    assert short.code == "wide-interval"


def test_a_law_that_expects_more_than_a_rate_that_was_too_high_is_refused() -> None:
    loads, rates = one_server(0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
    law = fit_measured(loads, rates, [1e5] * len(rates), too_high=93)
    assert isinstance(law, NoLaw)
    assert law.code == "fell-behind"


def test_the_same_measurements_always_have_the_same_intervals() -> None:
    loads, rates = one_server(0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
    noisy = [rate * (1 + 0.01 * (-1) ** place) for place, rate in enumerate(rates)]
    assert fit(loads, noisy) == fit(loads, noisy)
