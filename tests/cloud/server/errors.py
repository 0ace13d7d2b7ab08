"""What a service says instead of an answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """An error that AWS would answer with."""

    code: str
    message: str
    status: int = 400

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
