"""Expects an error of an AWS call."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, saying: str = "") -> Iterator[None]:
    """Passes if the block raises AWS's error `code`, and its message contains `saying`."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, caught.value
    assert saying in error["Message"], caught.value
