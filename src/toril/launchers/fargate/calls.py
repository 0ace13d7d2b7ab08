"""One call of AWS, and what its refusal means."""

from collections.abc import Callable
from typing import Any, cast

from toril.clock import Clock
from toril.launchers.fargate import reasons
from toril.launchers.fargate.pacing import wait_s

PATIENT_TRIES = 4


class Refused(Exception):
    """A call that was not answered, or answered with a refusal.

    `again`: the very same call may do later. `code`: AWS' name of the refusal. `resources`: what stands against it.
    """

    def __init__(self, said: str, *, again: bool, code: str = "", resources: tuple[str, ...] = ()) -> None:
        super().__init__(said)
        self.said, self.again, self.code, self.resources = said, again, code, resources

    @property
    def denied(self) -> bool:
        """Whether whoever asks has no right to."""
        return reasons.is_denied(self.code)


def call(ask: Callable[..., Any], action: str, **request: Any) -> Any:
    """The answer to a client's method; Refused says what was refused and why. `action` is as IAM names it."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        MetadataRetrievalError,
        NoCredentialsError,
    )

    try:
        return ask(**request)
    except ClientError as error:
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        passing = code in reasons.THROTTLED | reasons.TRANSIENT or status >= 500
        if passing or reasons.LINKED_ROLE in message.lower():
            raise Refused(f"{action}: {message or code}", again=True, code=code) from error
        against = tuple(str(one) for one in cast("dict[str, Any]", error.response).get("resourceIds", ()))
        raise Refused(reasons.refusal(code, message, action), again=False, code=code, resources=against) from error
    except NoCredentialsError as error:
        raise Refused(f"{action}: there are no AWS credentials; set them, or a profile", again=False) from error
    except (ConnectionError, HTTPClientError, MetadataRetrievalError) as error:  # nobody knows whether it was done
        raise Refused(f"{action}: {error}", again=True) from error
    except BotoCoreError as error:
        raise Refused(f"{action}: {error}", again=False) from error


def patiently(clock: Clock, name: str, ask: Callable[[], Any]) -> Any:
    """The answer to one or more calls that are tried some times more where that may help. `name` seeds the waits."""
    for tries in range(1, PATIENT_TRIES):
        try:
            return ask()
        except Refused as refused:
            if not refused.again:
                raise
        clock.sleep(wait_s(name, tries))
    return ask()
