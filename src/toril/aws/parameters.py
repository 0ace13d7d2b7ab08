"""Secrets of the console in SSM's Parameter Store."""

import secrets

from toril.aws.client import Clients, call
from toril.aws.errors import AwsError

KEY_BYTES = 32


def read_parameter(clients: Clients, name: str) -> str:
    """Returns a SecureString's value; AwsError if there is none."""
    answer = call(clients("ssm", "").get_parameter, "ssm:GetParameter", Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


def session_key(clients: Clients, name: str) -> bytes:
    """Returns the key in the parameter `name`. The first caller makes it, so no stack and no state knows it."""
    try:
        return bytes.fromhex(read_parameter(clients, name))
    except AwsError as error:
        if error.fault.aws_code != "ParameterNotFound":
            raise
    made = secrets.token_hex(KEY_BYTES)
    wanted = {"Name": name, "Value": made, "Type": "SecureString", "Overwrite": False}
    try:
        call(clients("ssm", "").put_parameter, "ssm:PutParameter", **wanted)
    except AwsError as error:
        if error.fault.aws_code != "ParameterAlreadyExists":
            raise
        return bytes.fromhex(read_parameter(clients, name))  # another instance was first
    return bytes.fromhex(made)
