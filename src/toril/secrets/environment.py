"""Variables of the environment that processes of toril do not pass on, by their names."""

import re
from collections.abc import Mapping

# Variables that let a process act for its GitHub job: the job's identity, its token, its later steps.
_OF_THE_JOB = re.compile(
    r"ACTIONS_.*|GITHUB_(ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)|(GITHUB|GH)_(ENTERPRISE_)?TOKEN"
).fullmatch
# The coordinator's own: its token for a console, and the key that signs its webhooks.
_OF_THE_OWNER = re.compile(r"TORIL_(NOTIFY_SECRET|TOKEN)").fullmatch
# The command's own credentials. Workers, and so the code of the suite, read the plan.
_CREDENTIALS = re.compile(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|S(ESSION|ECURITY)_TOKEN|CONTAINER_.*)").fullmatch


def is_withheld(name: str) -> bool:
    """Returns whether suites never get this variable of the environment."""
    return bool(_OF_THE_JOB(name) or _OF_THE_OWNER(name) or _CREDENTIALS(name))


def without_job(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a coordinator of runs, without what lets it act for its GitHub job."""
    return {name: value for name, value in environment.items() if not _OF_THE_JOB(name)}


def for_worker(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a worker on this machine, also without what is the coordinator's own."""
    return {name: value for name, value in without_job(environment).items() if not _OF_THE_OWNER(name)}
