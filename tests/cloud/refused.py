"""What a test says of a call that the cloud has to refuse."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, saying: str = "") -> Iterator[None]:
    """The calls within are answered with AWS's error `code`, whose message has `saying` in it."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, caught.value
    assert saying in error["Message"], caught.value
