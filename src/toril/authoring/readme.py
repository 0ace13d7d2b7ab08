"""The README.md of an imported suite: what was done, what was not, and which variables to set."""

from collections.abc import Iterator
from importlib.resources import files

from toril.authoring.correlation import Carried, Correlation
from toril.authoring.credentials import Credentials
from toril.authoring.draft import SuiteDraft, requests_of
from toril.authoring.filters import READS
from toril.authoring.recorded import Recorded
from toril.text import plain, plural

BASIC = "$(printf %s 'user:password' | base64 | tr -d '\\n')"


def readme_of(draft: SuiteDraft, recorded: Recorded, correlation: Correlation, credentials: Credentials) -> str:
    """Returns the text in Markdown."""
    from jinja2 import Environment, StrictUndefined  # heavy, and needed only here

    requests = tuple(requests_of(draft))
    labels = {one.number: one.label for one in requests}
    rules = [rule for rule in correlation.rules if rule.source in labels]

    def into(rule: Carried) -> str:
        return ", ".join(dict.fromkeys(labels[number] for number, _ in rule.uses if number in labels))

    environment = Environment(
        autoescape=False,  # noqa: S701 - Markdown; `finalize` makes harmless what strangers wrote
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=plain,
    )
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|")
    template = environment.from_string(files("toril.authoring").joinpath("README.md.jinja").read_text(encoding="utf-8"))
    return template.render(
        draft=draft,
        recorded=recorded,
        credentials=credentials,
        requests=requests,
        writes=sum(one.method not in READS for one in requests),
        labels=labels,
        into=into,
        applied=[rule for rule in rules if rule.applied],
        possible=[rule for rule in rules if not rule.applied],
        tables=[(path, draft.files[path]) for one in draft.scenarios for path in one.data_sources],
        rows=lambda data: plural(len(data.splitlines()) - 1, "row"),
        joined=[one for one in recorded.exchanges if one.count > 1 and recorded.kind != "access-log"],
        notes=tuple(_notes(draft, recorded, correlation, credentials)),
        basic=BASIC,
    )


def _notes(draft: SuiteDraft, recorded: Recorded, correlation: Correlation, credentials: Credentials) -> Iterator[str]:
    yield from (one.message for one in recorded.notes)
    bodies = [(one, one.body) for one in recorded.exchanges if one.body]
    if missing := [one.name for one, body in bodies if body.missing and not body.uploads]:
        yield f"The source lacks the bodies of {', '.join(missing)}. Add them."
    if lacking := [part.name for _, body in bodies for part in body.uploads if part.data is None]:
        yield f"The source lacks the content of {', '.join(lacking)}. The suite sends 1 KiB instead."
    if credentials.cookies:
        names = ", ".join(credentials.cookies)
        yield f"No response sets the cookies {names}, so no request has them. If one is needed, record the login."
    if correlation.unpaired:
        yield f"Only one of the two recordings has {', '.join(correlation.unpaired)}."
    if recorded.kind == "har":
        yield "A browser sends some requests at the same time. The suite sends them one after another."
