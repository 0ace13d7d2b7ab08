"""The comments on a pull request: for each suite its newest run and its newest comparison as one text."""

from collections.abc import Sequence

from toril.reports import markdown
from toril.reports.bundle import Bundle
from toril.reports.markdown import NO_LINKS, Links
from toril.reports.run_blocks import report_of


def comment(bundle: Bundle, duet: Bundle | None = None, links: Links = NO_LINKS) -> bytes:
    """A run, and one that compared the same suite's head with base, as one text."""
    return markdown.render(report_of(bundle, duet=duet), links)


def comments(bundles: Sequence[Bundle], links: Links) -> dict[str, str]:
    """A comment for each suite by its name.

    Where a suite ran on Fargate that is another comment, `NAME:fargate`: neither result hides the other. No suite has a
    colon in its name.
    """
    by_name: dict[str, list[Bundle]] = {}
    for bundle in sorted(bundles, key=lambda one: one.plan.run_id):
        name = bundle.plan.suite + (":fargate" if bundle.plan.on == "fargate" else "")
        by_name.setdefault(name, []).append(bundle)
    found = {}
    for name, own in sorted(by_name.items()):
        duets = [one for one in own if one.verdict.comparison]
        runs = [one for one in own if not one.verdict.comparison]
        found[name] = comment((runs or duets)[-1], duets[-1] if duets else None, links).decode()
    return found
