"""Keys that sign the load's requests: the environment's, or those of a role that it assumes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from toril.aws.client import call, credentials
from toril.errors import InfrastructureError

SESSION = "toril"  # name of the assumed role's session in CloudTrail


def signing_keys(region: str, role: str = "") -> Callable[[], Mapping[str, str]]:
    """Returns a function that returns valid keys: access_key, secret_key and token.

    botocore renews them some minutes before they expire. Raises InfrastructureError without credentials, and AwsError
    if the role refuses them.
    """
    own = credentials()
    if own is None:
        text = "`sign` needs AWS credentials, and this environment has none. Set them, or give the task a role"
        raise InfrastructureError(text, code="no-credentials")
    keys = _of_role(role, region, own) if role else own

    def current() -> Mapping[str, str]:
        frozen = call(keys.get_frozen_credentials, "sts:AssumeRole" if role else "the AWS credentials")
        return {"access_key": frozen.access_key, "secret_key": frozen.secret_key, "token": frozen.token or ""}

    return current


def _of_role(role: str, region: str, own: Any) -> Any:
    from botocore.config import Config
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import Session

    patience = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    sts = partial(Session().create_client, region_name=region, config=patience)
    fetcher = AssumeRoleCredentialFetcher(sts, own, role, extra_args={"RoleSessionName": SESSION})
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
