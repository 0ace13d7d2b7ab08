"""Physical names that people, policies or other stacks refer to: pure functions of environment and region.

Names are known before any resource exists, so a policy can name exactly the resources of a later stack.
"""

import re
from dataclasses import dataclass

MAIN = "main"  # the environment of stacks without a prefix
CONSOLE = "console"  # no environment: its names would be those of the main environment's console
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9-]{0,10}[a-z0-9]|[a-z]")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True)
class StackName:
    """An environment, and the hub or a region in it: `hub`, `us-east-1`, `prod.hub`, `prod.us-east-1`."""

    environment: str
    region: str | None  # None: the hub


def parse_stack(name: str) -> StackName:
    """Returns the parts of a stack's name. Raises ValueError, with the fix, for any other form."""
    environment, dot, kind = name.rpartition(".")
    environment = environment if dot else MAIN
    if environment == CONSOLE:
        raise ValueError(f"Stack `{name}`: `{CONSOLE}` is part of the names of consoles. Choose another environment.")
    if not _ENVIRONMENT.fullmatch(environment):
        raise ValueError(
            f"Stack `{name}`: `{environment}` is not a valid environment. Use 1 to 12 lower-case letters, digits and "
            f"hyphens, for example prod.{kind}."
        )
    if kind == "hub":
        return StackName(environment, None)
    if not _REGION.fullmatch(kind):
        raise ValueError(
            f"Stack `{name}` is neither a hub nor a region. Use a name such as hub or us-east-1; in an environment, "
            "prod.hub or prod.us-east-1."
        )
    return StackName(environment, kind)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one environment in one account."""

    environment: str

    @property
    def base(self) -> str:
        """The first part of all names: `toril`, or `toril-prod`."""
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
        """Returns a role's name, at most 64 characters. The name of a region stack's role contains the region."""
        return "-".join(filter(None, (self.base, region, purpose)))

    def cache_templates(self, region: str) -> str:
        """Returns the name of the role of a region's creation templates, which is below no path: see `scope`.

        No environment has an underscore, so the pattern of one environment covers no role of another.
        """
        return f"{self.base}_{region}-cache-templates"

    def cluster(self) -> str:
        return self.base

    def log_group(self) -> str:
        return f"/toril/{self.environment}/workers"

    def family(self, flavour: str, architecture: str) -> str:
        """The family of a worker's task definition."""
        return f"{self.families}worker-{flavour}-{architecture}"

    def coordinator(self, architecture: str) -> str:
        """The family of a coordinator's task definition."""
        return f"{self.families}coordinator-{architecture}"

    @property
    def families(self) -> str:
        """The first part of all families. No environment has an underscore, so `toril_` does not cover `toril-prod`."""
        return f"{self.base}_"

    def idle_alarm(self) -> str:
        return f"{self.base}-tasks-without-run"

    def undelivered_alarm(self) -> str:
        return f"{self.base}-undelivered"

    def key_alias(self) -> str:
        return f"alias/{self.base}"

    def cache_secret(self, prefix: str) -> str:
        """The name of a cache's credential; ECR requires this prefix."""
        return f"ecr-pullthroughcache/{self.base}/{prefix}"

    def schedule_group(self) -> str:
        return self.base

    @property
    def console(self) -> str:
        """One name for the console's function, API, user pool, and the group of its schedules."""
        return f"{self.base}-console"

    def console_bucket(self, account: str, region: str) -> str:
        """The bucket of the console's static files."""
        return f"{self.console}-{account}-{region}"

    def console_log_group(self) -> str:
        return f"/toril/{self.environment}/console"

    def console_parameter(self, name: str) -> str:
        """The name of a secret of the console in SSM's Parameter Store."""
        return f"/toril/{self.environment}/console/{name}"

    def console_alarms(self) -> dict[str, str]:
        return {part: f"{self.console}-{part}" for part in ("errors", "throttles")}

    def login_domain(self, account: str) -> str:
        """The prefix of the login pages' host; unique among all accounts of a region."""
        return f"{self.base}-{account}"

    def dead_letters(self) -> str:
        """The queue of failed schedule invocations."""
        return f"{self.base}-dead-letters"

    def notices(self) -> str:
        """One name for the topic, for the hub's bus, and for the bus's rule that targets the topic."""
        return f"{self.base}-notices"

    def run_notices(self) -> str:
        """The bus's rule that writes a readable mail about a run's event."""
        return f"{self.notices()}-mail"

    def notice_rules(self) -> dict[str, str]:
        """The region's rules that target the bus, by the kind of event that they forward."""
        return {part: f"{self.notices()}-{part}" for part in ("alarms", "coordinators", "runs")}
