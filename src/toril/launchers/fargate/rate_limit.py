"""Limits how fast tasks start: the account's quotas, and the wait after a refusal."""

from dataclasses import dataclass, field

from toril.clock import Backoff

FAST_REGIONS = frozenset(  # burst 100, then 20 tasks a second; in other regions burst 25, then 5
    {
        "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
        "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2",
        "us-west-1", "us-west-2",
    }
)  # fmt: skip
CALLS_PER_S = 20.0  # AWS' limit of RunTask on Fargate, independent of the launch quota
BACKOFF = Backoff(first_s=1.0, longest_s=30.0, jitter=0.5)


@dataclass(frozen=True, slots=True)
class Rates:
    """Fargate's launch quotas: L-6BAD92DD and L-551A4E9D, for Spot L-F6E37E82 and L-FAA52651."""

    burst: float = 25.0
    sustained_per_s: float = 5.0


OF_CALLS = Rates(CALLS_PER_S, CALLS_PER_S)


def usual_rates(region: str) -> Rates:
    """Returns AWS' default rates for a region (Amazon ECS service quotas, 2026)."""
    return Rates(100.0, 20.0) if region in FAST_REGIONS else Rates()


@dataclass(slots=True)
class TokenBucket:
    """A token bucket with these rates, full at first."""

    rates: Rates
    _tokens: float = field(init=False)
    _at: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._tokens = self.rates.burst

    def available(self, now: float) -> int:
        """Returns how many tokens may be taken now."""
        passed_s = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now
        self._tokens = min(self.rates.burst, self._tokens + self.rates.sustained_per_s * passed_s)
        return int(self._tokens)

    def take(self, tokens: int = 1) -> None:
        self._tokens -= tokens
