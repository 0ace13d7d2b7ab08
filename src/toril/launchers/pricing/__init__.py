"""What a run costs at list prices, before it starts and after it has ended.

table     AWS' prices, and the user's own
usage     how much of each a plan uses, and how long its start takes
items     the lines of a bill
estimate  the price of a plan, and of tasks that have run
"""

from toril.errors import OptionError
from toril.launchers.pricing.estimate import Estimate, cost_of, estimate, money
from toril.launchers.pricing.items import Item
from toril.launchers.pricing.table import PriceTable, list_prices, read_prices

__all__ = ["Estimate", "Item", "PriceTable", "cost_of", "estimate", "list_prices", "money", "read_prices", "within"]


def within(found: Estimate, most_usd: float | None) -> None:
    """OptionError when a run would cost more than `--max-cost` allows."""
    if most_usd is None or found.total_usd <= most_usd:
        return
    dearest = max(found.items, key=lambda item: item.usd or 0.0)
    upper = "at most " if found.at_most else ""
    raise OptionError(
        f"--max-cost {most_usd:g}: this run costs {upper}{money(found.total_usd)} US dollars at list prices of "
        f"{found.as_of}, most of it for {dearest.name} ({dearest.quantity}); make it shorter or smaller, or raise it"
    )
