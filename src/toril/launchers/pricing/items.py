"""The lines of a run's bill, from what it uses and what that costs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toril.launchers.pricing.table import BASE, PriceTable, Tariff
from toril.launchers.pricing.usage import FREE_STORAGE_GIB, Requests, Use

HOUR_S = 3600.0
GB = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a bill. `usd` None: nobody knows before."""

    name: str
    quantity: str
    usd: float | None


def items_of(uses: tuple[Use, ...], asked: Requests, requests: float | None, prices: PriceTable) -> Iterator[Item]:
    """All of them; `requests` of the load, None when nobody knows how many."""
    priced = [(use, prices.of(use.region, use.size.architecture)) for use in uses]
    yield from (_compute(use, tariff, prices.spot) for use, tariff in priced)
    beyond_gib = max([0, *((use.size.storage_gib or 0) - FREE_STORAGE_GIB for use in uses)])
    if beyond_gib:
        usd = sum(use.billed_s / HOUR_S * beyond_gib * tariff.storage_gib_hour for use, tariff in priced)
        yield Item(name="storage", quantity=f"{beyond_gib} GiB a task beyond the free 20", usd=usd)
    public = [(use, tariff) for use, tariff in priced if use.public]
    if public:
        hours = sum(use.billed_s for use, _ in public) / HOUR_S
        usd = sum(use.billed_s / HOUR_S * tariff.address_hour for use, tariff in public)
        yield Item(name="addresses", quantity=f"public IPv4 for {hours:,.1f} h", usd=usd)
    base = prices.of(BASE, "x86-64")
    usd = asked.puts / 1000 * base.put_1000 + asked.gets / 1000 * base.get_1000
    kept = asked.stored_bytes / GB * base.stored_gb_month * prices.assumed.kept_months
    quantity = f"about {_count(asked.puts)} PUT and LIST, {_count(asked.gets)} GET, {asked.stored_bytes / 1e6:,.1f} MB"
    yield Item(name="S3", quantity=quantity, usd=usd + kept)
    yield from _transfer(priced, requests, prices)
    logged = prices.assumed.log_bytes_per_worker
    usd = sum(use.workers * logged / GB * tariff.logs_gb for use, tariff in priced)
    yield Item(name="logs", quantity=f"if each worker logs {logged / 1e6:g} MB", usd=usd)


def _compute(use: Use, tariff: Tariff, spot: float) -> Item:
    vcpus, gib = use.size.cpu / 1024, use.size.memory_mib / 1024
    hourly = vcpus * tariff.vcpu_hour + gib * tariff.gib_hour
    usd = (use.billed_s - use.spot_s + use.spot_s * spot) / HOUR_S * hourly
    how = "" if not use.spot_s else ", Spot" if use.spot_s == use.billed_s else ", in part on Spot"
    minutes = use.billed_s / use.workers / 60
    sizes = f"{vcpus:g} vCPU, {gib:g} GiB, {use.size.architecture}{how}"
    return Item(name=use.region, quantity=f"{use.workers} × {minutes:,.1f} min of {sizes}", usd=usd)


def _transfer(priced: list[tuple[Use, Tariff]], requests: float | None, prices: PriceTable) -> Iterator[Item]:
    """Only what is sent leaves the region; through NAT what comes back costs as well."""
    workers, assumed = sum(use.workers for use, _ in priced), prices.assumed
    if requests is None:
        yield Item(name="transfer", quantity="no throughput bounds how much is sent", usd=None)
        return
    sent, both = assumed.sent_bytes_per_request, assumed.sent_bytes_per_request + assumed.received_bytes_per_request
    usd = sum(
        use.workers / workers * requests / GB * (sent * tariff.egress_gb + (0 if use.public else both * tariff.nat_gb))
        for use, tariff in priced
    )
    through = "" if all(use.public for use, _ in priced) else f", in all {both:,.0f} through NAT"
    quantity = f"about {_count(requests)} requests, if {sent:,.0f} bytes of each are sent to the internet{through}"
    yield Item(name="transfer", quantity=quantity, usd=usd)


def notes_of(uses: Iterable[Use], prices: PriceTable) -> Iterator[str]:
    """What is not quite as the table has it."""
    unknown = [use.region for use in uses if not prices.of(use.region, use.size.architecture).known]
    if unknown:
        yield f"{', '.join(unknown)}: priced as {BASE}, because nothing else is listed"
    if any(use.spot_s for use in uses):
        yield f"Spot is taken at {prices.spot:.0%} of the usual price: it moves, and a task may have to go on-demand"
    if prices.own:
        yield f"some of the prices are those of {prices.own}"


def _count(number: float) -> str:
    """Three digits of it."""
    return f"{float(f'{number:.3g}'):,.0f}"
