"""The state of this package's services, per account and region, until a reset."""

from collections.abc import Callable
from typing import Generic, TypeVar

from ministack.core.responses import get_account_id, get_region

T = TypeVar("T")
_forgetting: list[Callable[[], None]] = []


class Regional(Generic[T]):
    """One value for each account and region, made on first use."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[tuple[str, str], T] = {}
        _forgetting.append(self.clear)

    def here(self) -> T:
        """The value of the request's account and region."""
        return self.of(get_account_id(), get_region())

    def of(self, account: str, region: str) -> T:
        if (account, region) not in self._values:
            self._values[account, region] = self._make()
        return self._values[account, region]

    def clear(self) -> None:
        """Removes the values of all accounts and regions."""
        self._values.clear()


def on_reset(forget: Callable[[], None]) -> None:
    _forgetting.append(forget)


def reset() -> None:
    for forget in _forgetting:
        forget()
