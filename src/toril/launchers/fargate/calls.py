"""One call of AWS, and what its refusal means."""

from collections.abc import Callable
from typing import Any

from toril.launchers.fargate import reasons


class Refused(Exception):
    """A call that was not answered, or answered with a refusal. `again`: the very same call may do later."""

    def __init__(self, said: str, *, again: bool) -> None:
        super().__init__(said)
        self.said, self.again = said, again


def call(ask: Callable[..., Any], action: str, **request: Any) -> Any:
    """The answer to a client's method; Refused says what was refused and why. `action` is as IAM names it."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        return ask(**request)
    except ClientError as error:
        code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        passing = code in reasons.THROTTLED | reasons.TRANSIENT or status >= 500
        if passing or reasons.LINKED_ROLE in message.lower():
            raise Refused(f"{action}: {message or code}", again=True) from error
        raise Refused(reasons.refusal(code, message, action), again=False) from error
    except NoCredentialsError as error:
        raise Refused(f"{action}: there are no AWS credentials; set them, or a profile", again=False) from error
    except BotoCoreError as error:  # timeouts, connections that broke: nobody knows whether it was done
        raise Refused(f"{action}: {error}", again=True) from error
