"""The provider's decisions and calls: check, diff, create, read, update, delete, over the table of kinds."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import jmespath
from botocore.exceptions import ClientError

from tests.infra.engine.cloud import HOME, Account
from tests.infra.engine.kinds import Call, Kind, Look, Step, Tagging, View
from tests.infra.engine.shapes import UNKNOWN, Misfit, Props, is_unknown, mirror, same
from tests.infra.engine.specs.table import KINDS

DEFAULTED = "__defaults"  # the real provider's mark of inputs that it chose
NOWHERE = "null"  # in `seen_as`: an input that cannot be read
GONE = re.compile(r"NotFound|NoSuch|NonExist|DoesNotExist|NotAttached|^404$")


class Unsupported(NotImplementedError):
    """The resource type or function is not in the table."""


class Unfinished(Exception):
    """The resource exists, but a later call of its creation failed."""

    def __init__(self, id: str, state: Props, reason: str) -> None:
        super().__init__(reason)
        self.id, self.state = id, state


@dataclass(frozen=True, slots=True)
class Difference:
    """The changed inputs, and those of them that require a replacement."""

    changed: tuple[str, ...]
    replacing: tuple[str, ...]
    deletes_first: bool = False


def kind_of(token: str) -> Kind:
    try:
        return KINDS[token]
    except KeyError:
        raise Unsupported(f"{token} is not in tests/infra/engine/specs") from None


def partition_of(region: str) -> str:
    return "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"


@dataclass(kw_only=True)
class Provider:
    """One configured provider."""

    account: Account
    region: str
    default_tags: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def number(self) -> str:
        return self.account.number()

    # ---- deciding -------------------------------------------------------------------------------------------------

    def check(self, token: str, name: str, seed: bytes, news: Props, olds: Props) -> dict[str, Any]:
        """Returns the inputs with the provider's additions. Raises Misfit if the service would reject them."""
        kind = kind_of(token)
        inputs = {**kind.defaults, **{key: value for key, value in news.items() if value is not None}}
        chosen = [key for key in kind.defaults if news.get(key) is None]
        if not kind.is_global and inputs.get("region") is None:
            inputs["region"] = self.region
        if kind.auto_name and inputs.get(kind.auto_name) is None:
            own = f"{name}-{hashlib.sha256(seed or name.encode()).hexdigest()[:7]}"
            inputs[kind.auto_name] = olds.get(kind.auto_name) or (own.lower() if kind.lower_case else own)
            chosen.append(kind.auto_name)
        if kind.tagging:
            tags = news.get("tags") or {}
            inputs["tagsAll"] = (
                tags if is_unknown(tags) and not isinstance(tags, dict) else {**self.default_tags, **tags}
            )
        if unknown := sorted(inputs.keys() - kind.properties):
            raise Misfit(f"{token} has no {', '.join(unknown)} in tests/infra/engine/specs")
        view = self._view(kind, inputs)
        for call in self._calls(kind.create, view):
            call.checked(kind.service, view, kind.names)
        return {**inputs, DEFAULTED: sorted(chosen)}

    def diff(self, token: str, olds: Props, news: Props) -> Difference:
        kind = kind_of(token)
        names = sorted((olds.keys() | news.keys()) & kind.properties)
        changed = [name for name in names if not same(olds.get(name), news.get(name))]
        replacing = [name for name in changed if name in kind.replacing]
        name = kind.auto_name
        keeps_name = name is not None and name not in replacing and name not in news.get(DEFAULTED, [])
        return Difference(
            tuple(changed), tuple(replacing), deletes_first=bool(replacing) and (keeps_name or kind.replaced_in_place)
        )

    def foreseen(self, token: str, inputs: Props, state: Props) -> dict[str, Any]:
        """Returns the outputs that are known in a preview."""
        outputs = {name: state.get(name, UNKNOWN) for name in kind_of(token).outputs}
        return {**outputs, **_without_mark(inputs)}

    # ---- doing ----------------------------------------------------------------------------------------------------

    def create(self, token: str, inputs: Props) -> tuple[str, dict[str, Any]]:
        """Returns the id and the outputs. Raises Unfinished if a later call of the creation fails."""
        kind = kind_of(token)
        view = self._view(kind, inputs)
        first, *rest = self._calls(kind.create, view)
        answer = self._do(kind, first, view)
        made = kind.id(view) if callable(kind.id) else jmespath.search(kind.id, answer)
        state = {"arn": jmespath.search(kind.arn_in_answer, answer)} if kind.arn_in_answer else {}
        view = replace(view, id=str(made), state=state)
        try:
            for call in rest:
                self._do(kind, call, view)
            seen = self._seen(kind, view)
        except (ClientError, Misfit) as failure:
            raise Unfinished(view.id, _without_mark(inputs), str(failure)) from failure
        if seen is None:
            raise Unfinished(view.id, _without_mark(inputs), f"{token} {made} was made but cannot be read")
        return view.id, self._outputs(kind, view, seen)

    def read(self, token: str, id: str, inputs: Props, state: Props) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Returns the current inputs and outputs, or None if the resource does not exist."""
        kind = kind_of(token)
        view = replace(self._view(kind, inputs or state, state), id=id)
        seen = self._seen(kind, view)
        if seen is None:
            return None
        now = {name: self._now(kind, name, value, seen) for name, value in view.inputs.items()}
        if kind.tagging and (tags := self._tags(kind, kind.tagging, view, seen)) is not None:
            own = {key: value for key, value in tags.items() if self.default_tags.get(key) != value}
            now |= {"tagsAll": tags} | ({"tags": own} if own or "tags" in now else {})
        return now, self._outputs(kind, replace(view, inputs=now), seen)

    def update(self, token: str, id: str, olds: Props, news: Props, state: Props) -> dict[str, Any]:
        kind = kind_of(token)
        view = replace(self._view(kind, news, state), id=id, before=olds)
        changed = {*self.diff(token, olds, news).changed}
        for names, steps in kind.updates.items():
            if changed & {*names.split()}:
                for call in self._calls(steps, view):
                    self._do(kind, call, view)
        if kind.tagging and "tagsAll" in changed:
            self._retag(kind, kind.tagging, view)
        seen = self._seen(kind, view)
        if seen is None:
            raise LookupError(f"{token} {id} is gone")
        return self._outputs(kind, view, seen)

    def delete(self, token: str, id: str, inputs: Props, state: Props) -> None:
        kind = kind_of(token)
        view = replace(self._view(kind, inputs or state, state), id=id)
        steps: list[Callable[[], Any]] = []
        if kind.empties:
            steps.append(partial(kind.empties, self.account.client(kind.service, view.region), view))
        steps += [partial(self._do, kind, call, view) for call in self._calls(kind.delete, view)]
        for step in steps:
            try:
                step()
            except ClientError as error:
                if not _says_gone(error):
                    raise

    # ---- how ------------------------------------------------------------------------------------------------------

    def _view(self, kind: Kind, inputs: Props, state: Props | None = None) -> View:
        region = HOME if kind.is_global else str(inputs.get("region") or self.region)
        return View(
            inputs=_without_mark(inputs),
            state=state or {},
            region=region,
            account=self.number,
            partition=partition_of(self.region),
        )

    @staticmethod
    def _calls(steps: Iterable[Step], view: View) -> list[Call]:
        calls: list[Call] = []
        for step in steps:
            calls += [step] if isinstance(step, Call) else step(view)
        return [call for call in calls if call.when(view)]

    def _do(self, kind: Kind, call: Call, view: View) -> dict[str, Any]:
        request = call.checked(kind.service, view, kind.names)
        return self.account.call(kind.service, call.operation, view.region, request)

    def _seen(self, kind: Kind, view: View) -> dict[str, Any] | None:
        """Returns the merged answers of the reading calls, or None if the resource does not exist."""
        seen: dict[str, Any] = {}
        for index, look in enumerate(kind.read):
            found = self._look(kind, look, view)
            if found is None and index == 0:
                return None
            seen |= found or {}
        if kind.alive and not jmespath.search(kind.alive, seen):
            return None
        return seen

    def _look(self, kind: Kind, look: Look, view: View) -> Any:
        try:
            answer = self._do(kind, look.call, view)
        except ClientError as error:
            if _says_gone(error):
                return None
            raise
        return jmespath.search(look.at(view) if callable(look.at) else look.at, answer)

    @staticmethod
    def _now(kind: Kind, name: str, value: Any, seen: Props) -> Any:
        if path := kind.seen_as.get(name):
            found = jmespath.search(path, seen)
            nothing: list[Any] | None = (
                [] if isinstance(value, list) and path != NOWHERE else None
            )  # services omit empty lists
            return mirror(value, nothing if found is None else found, kind.names)
        return mirror({kind.member(name): value}, seen, kind.names)[kind.member(name)]

    def _tags(self, kind: Kind, tagging: Tagging, view: View, seen: Props) -> dict[str, str] | None:
        """Returns the tags, or None if they cannot be read."""
        if tagging.look:
            view = replace(view, state={**self._outputs(kind, view, seen), **view.state})
            listed = self._look(kind, tagging.look, view)
        else:
            listed = jmespath.search(tagging.at, seen)
        tags = mirror({"-": "-"}, listed, {}) if isinstance(listed, list) and listed else listed or {}
        return {key: value for key, value in tags.items() if not key.startswith("aws:")}

    def _retag(self, kind: Kind, tagging: Tagging, view: View) -> None:
        before, after = view.before.get("tagsAll") or {}, view.tags
        gone = {key: "" for key in before.keys() - after.keys()}
        new = {key: value for key, value in after.items() if before.get(key) != value}
        if gone and not (tagging.whole and after):
            self._do(kind, tagging.remove, replace(view, inputs={**view.inputs, "tagsAll": gone}))
        if new or (gone and tagging.whole and after):
            wanted = after if tagging.whole else new
            self._do(kind, tagging.add, replace(view, inputs={**view.inputs, "tagsAll": wanted}))

    @staticmethod
    def _outputs(kind: Kind, view: View, seen: Props) -> dict[str, Any]:
        found = {
            name: path(view, seen) if callable(path) else jmespath.search(path, seen)
            for name, path in kind.outputs.items()
        }
        return {**view.inputs, **{name: value for name, value in found.items() if value is not None}}


def _without_mark(inputs: Props) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in {DEFAULTED, "id"}}


def _says_gone(error: ClientError) -> bool:
    return bool(GONE.search(error.response.get("Error", {}).get("Code", "")))
