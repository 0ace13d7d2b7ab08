"""How fast an account may start tasks, and how long to wait after a refusal."""

from dataclasses import dataclass, field

from toril.clock import Backoff

FAST_REGIONS = frozenset(  # where AWS starts 20 tasks a second after a burst of 100; elsewhere 5 after 25
    {
        "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
        "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2",
        "us-west-1", "us-west-2",
    }
)  # fmt: skip
CALLS_PER_S = 20.0  # of RunTask on Fargate, whatever the quota of launches is
BACKOFF = Backoff(first_s=1.0, longest_s=30.0, jitter=0.5)


@dataclass(frozen=True, slots=True)
class Rates:
    """Fargate's quotas of starting tasks: L-6BAD92DD and L-551A4E9D, for Spot L-F6E37E82 and L-FAA52651."""

    burst: float = 25.0
    sustained_per_s: float = 5.0


OF_CALLS = Rates(CALLS_PER_S, CALLS_PER_S)


def usual_rates(region: str) -> Rates:
    """Returns the rates that AWS gives every account (Amazon ECS service quotas, 2026)."""
    return Rates(100.0, 20.0) if region in FAST_REGIONS else Rates()


@dataclass(slots=True)
class TokenBucket:
    """A token bucket of these rates, full at first."""

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
