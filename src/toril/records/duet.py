"""What makes a run a duet: two addresses, the arms, measured in turns by the same workers."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

BASE, HEAD = 1, 2  # arms; 0 is what is no part of a duet
ARMS = {BASE: "base", HEAD: "head"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm's part of a block."""

    arm: int
    block: int  # from 1
    starts_s: int  # seconds from the start signal
    ends_s: int  # of its load; requests in flight may finish until the next turn


class Duet(BaseModel):
    """How base and head take turns, and how far head may be worse. Both arms of a block form a pair."""

    model_config = ConfigDict(frozen=True)
    base: str  # addresses, without credentials
    head: str
    margin: float  # a change up to it is no regression; 0.03 is 3 %
    blocks: int
    block_s: float  # of steady load, for each arm of a block
    turn_s: int  # a turn's load: the block, and the ramp-up before it
    gap_s: int  # from a turn's load to the next one's
    order: str  # of all turns: A is base, B is head
    labels: tuple[str, ...] = ()  # whose p95 is compared; none: the percentiles that the suite's criteria name

    def turns(self) -> Iterator[Turn]:
        """Every turn, in the order of time."""
        for position, letter in enumerate(self.order):
            starts_s = position * (self.turn_s + self.gap_s)
            yield Turn("AB".index(letter) + 1, position // 2 + 1, starts_s, starts_s + self.turn_s)

    def turns_of(self, arm: int) -> list[Turn]:
        """Those of one arm, in the order of time."""
        return [turn for turn in self.turns() if turn.arm == arm]
