"""Every physical name that people, policies or other stacks refer to; a pure function of environment and region.

Names are known before anything exists, so that a role can be allowed to touch exactly what a later stack creates.
"""

import re
from dataclasses import dataclass

MAIN = "main"  # the environment of stacks without a prefix
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,10}[a-z0-9]|[a-z]")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True)
class StackName:
    """`hub`, `us-east-1`, `prod.hub`, `prod.us-east-1`: an environment, and the hub or a region in it."""

    environment: str
    region: str | None  # None: the hub


def parse_stack(name: str) -> StackName:
    """What a stack's name says; ValueError with the fix for a name of another form."""
    environment, dot, kind = name.rpartition(".")
    environment = environment if dot else MAIN
    if not _ENVIRONMENT.fullmatch(environment):
        raise ValueError(
            f"{environment!r} is no environment: 1 to 12 lower-case letters, digits and hyphens, as in prod.{kind}"
        )
    if kind == "hub":
        return StackName(environment, None)
    if not _REGION.fullmatch(kind):
        raise ValueError(
            f"stack {name!r} is neither a hub nor a region; name it hub or us-east-1, in an environment prod.hub or "
            "prod.us-east-1"
        )
    return StackName(environment, kind)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one environment in one account."""

    environment: str

    @property
    def base(self) -> str:
        """The beginning of all names: `toril`, or `toril-prod`."""
        return "toril" if self.environment == MAIN else f"toril-{self.environment}"

    @property
    def iam_path(self) -> str:
        return f"/toril/{self.environment}/"

    @property
    def repository(self) -> str:
        """The private repository of the worker image, the same in each region."""
        return "toril/worker" if self.environment == MAIN else f"toril/{self.environment}/worker"

    @property
    def hub_stack(self) -> str:
        return "hub" if self.environment == MAIN else f"{self.environment}.hub"

    def results_bucket(self, account: str, region: str) -> str:
        return f"{self.base}-{account}-{region}"

    def role(self, purpose: str, region: str | None = None) -> str:
        """Of a role; one that a region stack owns has the region in it. At most 64 characters."""
        return "-".join(filter(None, (self.base, region, purpose)))

    def cluster(self) -> str:
        return self.base

    def log_group(self) -> str:
        return f"/toril/{self.environment}/workers"

    def family(self, flavour: str, architecture: str) -> str:
        """Of a worker's task definition."""
        return f"{self.families}worker-{flavour}-{architecture}"

    def coordinator(self, architecture: str) -> str:
        """The family of a coordinator's task definition."""
        return f"{self.families}coordinator-{architecture}"

    @property
    def families(self) -> str:
        """The beginning of all families; with an underscore, which no environment has, `toril-prod` is not below it."""
        return f"{self.base}_"

    def idle_alarm(self) -> str:
        return f"{self.base}-tasks-without-run"

    def undelivered_alarm(self) -> str:
        return f"{self.base}-undelivered"

    def key_alias(self) -> str:
        return f"alias/{self.base}"

    def cache_secret(self, prefix: str) -> str:
        """ECR demands this beginning of the name of a pull-through cache's credential."""
        return f"ecr-pullthroughcache/{self.base}/{prefix}"

    def schedule_group(self) -> str:
        return self.base

    def dead_letters(self) -> str:
        """The queue of invocations of a schedule that failed."""
        return f"{self.base}-dead-letters"

    def notices(self) -> str:
        """The topic, the hub's bus, and the rule on it that leads to the topic."""
        return f"{self.base}-notices"

    def notice_rules(self) -> dict[str, str]:
        """The rules of a region that lead to the bus, by what they pass on."""
        return {part: f"{self.notices()}-{part}" for part in ("alarms", "coordinators")}
