"""Expects an error by its code and the data in its message. The wording does not matter."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from toril.errors import UserError


@contextmanager
def refused(code: str, *names: str, error: type[UserError] = UserError) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Passes if the block raises `error` with this code, and its message contains all `names`."""
    with pytest.raises(error) as caught:
        yield caught
    assert caught.value.code == code, caught.value
    missing = [name for name in names if name not in str(caught.value)]
    assert not missing, f"{missing} not in: {caught.value}"
