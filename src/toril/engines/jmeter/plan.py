"""Changes a JMeter test plan after bzt has added the load.

- Transactions report themselves *and* their requests (JMeter can also hide the requests in their transaction).
- JMeter's own ThreadGroup replaces bzt's ConcurrencyThreadGroup if both mean the same. It lets requests in flight
  finish when a test ends; the other cuts them off.
- bzt's throughput timer gets the rows of a load curve, if the suite has one.
- Addresses in place of labels, and labels with a value of a response, stay as the suite has them.
- A response without a value that another request needs has failed, if the suite wants that.
- JMeter's own elements replace the plug-in that bzt uses for `set-variables`.
- JMeter's own JSONPathAssertion replaces that of the older plug-in that bzt uses.
- The groups together have as many users as planned.
- Of a load that the plan brings along, the groups and timers have this worker's part.
- A listener of toril (`tools/jmeter/Evidence.java`) keeps requests with their responses, if the run wants some.
- An element of toril (`tools/jmeter/Connections.java`) closes idle connections that the service has closed.
- Each request carries a W3C trace context, if the run wants that and the plan has none of its own.
- A try has no timers and no pauses.
- In a duet, a timer of toril (`tools/jmeter/Turns.java`) lets users send in the turns of their arm only.
- `modules.jmeter.fresh-cookies` lets each iteration begin without cookies, as a new session.
- The plan waits at the gate. JMeter calls every element when the test starts, one after the other, before it starts any
  thread. A timer in a thread group without threads delays nothing else, and its script (`gate.bsh`) returns only when
  the gate is open. So the suite's own setUp groups wait as well.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from bzt.jmx import JMX
from lxml import etree

from toril.load.interleave import Interleave
from toril.records.evidence import NOT_FOUND
from toril.suite.script_load import ARRIVALS, CLASSES, FIRST, TIMERS, thread_groups, timed_groups

Tree = Any  # lxml's; results of XPath have no better type

CONCURRENCY_GROUP = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"
SCHEDULE = f"//{JMX.THR_TIMER}[@testname='Throughput_Limiter']/collectionProp[@name='load_profile']"
LEAST_RPS = 1e-9  # the timer divides by its rate; at this one no request is due within a year
STRAIGHT = 1e-7  # tolerance for points on a line; a row's numbers have nine digits after the point
JSON_ASSERTION = "com.atlantbh.jmeter.plugins.jsonutils.jsonpathassertion.JSONPathAssertion"  # same properties
CONNECTIONS, LISTENER, TURNS = "toril.Connections", "toril.Evidence", "toril.Turns"
TRACEPARENT = "00-${__RandomString(32,0123456789abcdef)}-${__RandomString(16,0123456789abcdef)}-01"
REFERENCE_NAMES, DEFAULTS = (  # the ends of the names of extractors' properties
    ("refname", "referencename", "referencenames"),
    ("default", "defaultvalue", "defaultvalues"),
)
NOT_EQUAL = "12"  # of an assertion
PLAIN_ON_ERROR = {None, "", "continue", "startnextloop"}  # plain groups do not restart threads that an error stopped


class NeededValue(NamedTuple):
    """A variable that requests refer to, and the labels whose responses bring it."""

    variable: str
    labels: re.Pattern[str]


class OwnPart(NamedTuple):
    """A worker's part of the load that a plan brings along."""

    interleave: Interleave
    own: Sequence[int]  # users of each group
    whole: Sequence[int]  # the same of all workers


def uses_groovy(path: Path) -> bool:
    """Returns whether the plan at `path`, or one that it includes, has a script or a function in Groovy."""
    plans = [path, *_included(etree.parse(path), path.parent)]
    return any("groovy" in file.read_text(errors="replace").lower() for file in plans)


def rewrite(
    path: Path,
    *,
    plain_groups: bool,
    rates: Sequence[float] = (),
    users: int | None = None,
    keeping: bool = False,
    traceparent: bool = False,
    tried: bool = False,
    in_turns: bool = False,
    connections: bool = False,
    fresh_cookies: bool = False,
    require_values: bool = False,
    literal_labels: Collection[str] = (),
    own_part: OwnPart | None = None,
) -> list[NeededValue]:
    """Change the plan at `path` as described above; `plain_groups` if bzt chose the groups, without stairs.

    `rates` are the requests of each second, if they are limited; `users` is what bzt divided among groups.
    Returns the values that requests need and whose absence fails no response.
    """
    plan: Tree = etree.parse(path)
    parts = {path: plan, **{file: etree.parse(file) for file in _included(plan, path.parent)}}
    for element in plan.iter():
        if element.get("testname") in literal_labels:
            element.set("testname", element.get("testname").replace("${", "${__char(36)}{"))  # JMeter evaluates names
    needed = list(_needed_values(list(parts.values())))
    for extractor, variable in needed if require_values else ():
        extractor.getparent().extend([_assertion_of(variable), etree.Element("hashTree")])
    writers = plan.xpath("//ResultCollector[@testname='KPI Writer']")
    if keeping:
        listener = _own_element(LISTENER)
        plan.getroot().find("hashTree/hashTree")[:0] = [listener, etree.Element("hashTree")]
        writers.insert(0, listener)  # JMeter calls it first, so the worker reads it before the row with its message
    if traceparent:  # a header manager within the plan may override it
        _add_to_plan(plan, JMX._get_header_mgr({"traceparent": TRACEPARENT}))
    for part in parts.values():
        _show_requests_of_transactions(part, writers)
        if tried:
            _remove_think_times(part)
    _prefer_own_assertions(plan)
    _prefer_own_variables(plan)
    if plain_groups:
        _prefer_plain_groups(plan)
    if users is not None:
        _correct_users(plan, users)
    if own_part is not None:
        _divide(plan.getroot(), own_part)
    if rates:
        _set_rates(plan, rates)
    for clears in plan.xpath("//CookieManager/*[@name='CookieManager.clearEachIteration']") if fresh_cookies else ():
        clears.text = "true"
    if connections:
        _add_to_plan(plan, _own_element(CONNECTIONS))
    if in_turns:
        _add_to_plan(plan, _own_element(TURNS))
    _add_gate(plan)
    for file, part in parts.items():
        part.write(file, encoding="UTF-8", xml_declaration=True)
    return [] if require_values else [NeededValue(variable, _labels(extractor)) for extractor, variable in needed]


def _needed_values(parts: Sequence[Tree]) -> Iterator[tuple[Tree, str]]:
    """Yields the extractors without a default of the author, with each variable that the plan refers to."""
    texts = [etree.tostring(part, encoding=str) for part in parts]
    for element in (node for part in parts for node in part.iter() if node.get("enabled") != "false"):
        own = {(child.get("name") or "").lower().rpartition(".")[2]: child.text or "" for child in element}
        names, defaults = ([own[key] for key in keys if key in own] for keys in (REFERENCE_NAMES, DEFAULTS))
        for name, default in zip(";".join(names).split(";"), ";".join(defaults).split(";"), strict=False):
            if name and default == NOT_FOUND and any(f"${{{name}}}" in text for text in texts):
                yield element, name


def _labels(extractor: Tree) -> re.Pattern[str]:
    """Returns the pattern of the labels in an extractor's scope; a label may have variables."""
    inside = extractor.getparent()
    samplers = [tag for tag in [inside.getprevious(), *inside.iter()] if tag is not None and "Sampler" in str(tag.tag)]
    names = (re.split(r"\$\{.*?\}", node.get("testname") or "") for node in samplers)
    return re.compile("|".join(".*".join(map(re.escape, parts)) for parts in names), re.DOTALL)


def _assertion_of(variable: str) -> Tree:
    """Returns an assertion that fails a response without this value."""
    assertion = JMX._get_resp_assertion("body", [NOT_FOUND], False, True)
    for kind in assertion.xpath("*[@name='Assertion.test_type']"):
        kind.text = NOT_EQUAL
    assertion.append(JMX._string_prop("Assertion.custom_message", f"extractor {variable} found nothing"))
    assertion.append(JMX._string_prop("Assertion.scope", "variable"))
    assertion.append(JMX._string_prop("Scope.variable", variable))
    return assertion


def _remove_think_times(plan: Tree) -> None:
    """Remove the timers, and the durations of pauses."""
    for timer in [node for node in plan.iter() if str(node.tag).endswith("Timer")]:
        inside = timer.getnext()
        if inside is not None and inside.tag == "hashTree":
            inside.getparent().remove(inside)
        timer.getparent().remove(timer)
    for duration in plan.xpath("//TestAction/*[@name='ActionProcessor.duration']"):
        duration.text = "0"


def _own_element(name: str) -> Tree:
    return etree.Element(name, guiclass=name, testclass=name, testname=name)


def _add_to_plan(plan: Tree, element: Tree) -> None:
    """Add an element that concerns all groups."""
    plan.getroot().find("hashTree/hashTree").extend([element, etree.Element("hashTree")])


def _show_requests_of_transactions(plan: Tree, writers: Sequence[Tree]) -> None:
    """Stop transactions from hiding their requests as their parent, unless their own assertions need that.

    JMeter does not pass such a transaction's requests to its listener, so each request gets its own listener.
    """
    for controller in plan.iter("TransactionController"):
        inside = controller.getnext()
        (parent,) = controller.xpath("*[@name='TransactionController.parent']") or [None]
        if parent is not None and parent.text == "true" and inside is not None and _has_assertion(inside):
            for sampler in [tag for tag in inside.iter() if "Sampler" in str(tag.tag) and tag.getnext() is not None]:
                for writer in writers:
                    sampler.getnext().extend([deepcopy(writer), etree.Element("hashTree")])
            continue
        if parent is not None:
            controller.remove(parent)
        controller.append(JMX._bool_prop("TransactionController.parent", False))


def _has_assertion(tree: Tree) -> bool:
    return any(str(node.tag).endswith("Assertion") and node.get("enabled") != "false" for node in tree)


def _prefer_own_assertions(plan: Tree) -> None:
    for assertion in list(plan.iter(JSON_ASSERTION)):
        assertion.tag = "JSONPathAssertion"
        assertion.set("testclass", "JSONPathAssertion")
        assertion.set("guiclass", "JSONPathAssertionGui")


def _prefer_own_variables(plan: Tree) -> None:
    """Lets a pause of no time set variables by a pre-processor, which evaluates functions anew each time."""
    for action in list(plan.iter(JMX.SET_VAR_ACTION)):
        names, values = (
            [node.findtext(f"stringProp[@name='Argument.{part}']") or "" for node in action.iter("elementProp")][1:]
            for part in ("name", "value")
        )
        setter = etree.Element(
            "UserParameters", guiclass="UserParametersGui", testclass="UserParameters", testname="set-variables"
        )
        setter.append(_texts("UserParameters.names", names))
        rows = etree.SubElement(setter, "collectionProp", name="UserParameters.thread_values")
        rows.append(_texts("user_1", values))
        etree.SubElement(setter, "boolProp", name="UserParameters.per_iteration").text = "false"
        action.getnext().extend([setter, etree.Element("hashTree")])
        action.getparent().replace(action, JMX._get_action_block(1, 0, 0))


def _texts(name: str, texts: Sequence[str]) -> Tree:
    collection = etree.Element("collectionProp", name=name)
    for number, text in enumerate(texts):
        etree.SubElement(collection, "stringProp", name=str(number)).text = text
    return collection


def _included(plan: Tree, folder: Path) -> list[Path]:
    """Returns the plans that this one includes, directly or indirectly."""
    paths: list[Path] = []
    queue: list[Tree] = [plan]
    while queue:
        for name in queue.pop().xpath("//IncludeController/stringProp[@name='IncludeController.includepath']/text()"):
            path = (folder / name).resolve()
            if path.is_file() and path not in paths:
                paths.append(path)
                queue.append(etree.parse(path))
    return paths


def _prefer_plain_groups(plan: Tree) -> None:
    for group in list(plan.iter(CONCURRENCY_GROUP)):
        values = {child.get("name"): child.text for child in group}
        if values.get("Iterations") or values.get("ThreadGroup.on_sample_error") not in PLAIN_ON_ERROR:
            continue
        plain = JMX.get_thread_group(
            concurrency=_number(values.get("TargetLevel")),
            rampup=_number(values.get("RampUp")),
            hold=_number(values.get("Hold")),
            testname=group.get("testname"),
            on_error=values.get("ThreadGroup.on_sample_error") or "continue",
            same_user=values.get("same_user_on_next_iteration") != "false",
        )
        plain.set("enabled", group.get("enabled", "true"))
        plain.find("*[@name='ThreadGroup.scheduler']").text = "false"  # the gate ends it
        group.getparent().replace(group, plain)


def _correct_users(plan: Tree, users: int) -> None:
    """Correct the number of users: bzt rounds each group's part, so adjust the largest group until the sum is right."""
    of_groups = f"/jmeterTestPlan/hashTree/hashTree/*[self::ThreadGroup or self::{CONCURRENCY_GROUP}]"
    enabled = plan.xpath(
        f"{of_groups}[not(@enabled='false')]/*[@name='ThreadGroup.num_threads' or @name='TargetLevel']"
    )
    counts = [count for count in enabled if (count.text or "").isdigit() and int(count.text) > 0]
    while len(counts) == len(enabled) <= users and (short := users - sum(int(count.text) for count in counts)):
        largest = max(counts, key=lambda count: int(count.text))
        largest.text = str(int(largest.text) + (1 if short > 0 else -1))


def _divide(root: Tree, part: OwnPart) -> None:
    """Let toril's classes start this worker's threads and arrivals, and timers pace these alone."""
    groups = thread_groups(root)
    users = dict(zip(groups, zip(part.own, part.whole, strict=True), strict=True))
    for timer in list(root.iter(*TIMERS)):
        scope = timed_groups(root, timer) or ()
        own, whole = (sum(users[group][place] for group in scope) for place in (0, 1))
        fraction = part.interleave.part if any(CLASSES[group.tag] in ARRIVALS for group in scope) else None
        for rate in _rates_of(timer) if scope else ():
            rate.text = _scaled(rate.text or "0", fraction or Fraction(own, whole or 1))
    first = 0
    for group in groups:
        group.tag = CLASSES[group.tag]
        group.set("testclass", group.tag)
        group.append(JMX._string_prop(FIRST, str(first)))
        first += users[group][1]


def _rates_of(timer: Tree) -> list[Tree]:
    """Returns the elements with the rates of a timer."""
    name = TIMERS[timer.tag]
    rows = timer.xpath(f"collectionProp[@name='{name}']/collectionProp")
    rates = timer.xpath(f"*[@name='{name}'] | doubleProp[name='{name}']/value")
    return [cell for row in rows for cell in row[:2]] or [rate for rate in rates if rate.tag != "collectionProp"]


def _scaled(rate: str, fraction: Fraction) -> str:
    """Returns a fraction of a rate, which may be an expression of JMeter."""
    if "${" in rate:
        return f"${{__jexl3(({rate}) * {float(fraction)!r})}}"
    return repr(float(Fraction(rate) * fraction))


def _set_rates(plan: Tree, rates: Sequence[float]) -> None:
    """Put the planned rates into bzt's throughput timer, whose own stairs begin a second late and end too early.

    At its own end the timer would stop the groups, and the plug-in's groups cut off their requests.
    """
    for schedule in plan.xpath(SCHEDULE):
        for old in list(schedule):
            schedule.remove(old)
        for from_rps, to_rps, lasts_s in rows_of(rates):
            schedule.append(_texts(f"row{len(schedule)}", (f"{from_rps:.9f}", f"{to_rps:.9f}", str(lasts_s))))


def rows_of(rates: Sequence[float]) -> list[tuple[float, float, int]]:
    """Returns rows (from, to, seconds) that give the timer each rate for a second, and the last one for one more.

    The timer reads its rate at the beginning of each second; where two rows meet, the earlier one counts. So a row goes
    from one second's rate to that of the second in which it ends. Seconds on a straight line share a row.
    """
    least = [max(rps, LEAST_RPS) for rps in rates]
    least.append(least[-1])
    rows: list[tuple[float, float, int]] = []
    begin = 0
    for second in range(1, len(least)):
        last = second == len(least) - 1
        if last or abs(least[second + 1] - 2 * least[second] + least[second - 1]) > STRAIGHT * max(1.0, least[second]):
            rows.append((least[begin], least[second], second - begin))
            begin = second
    return rows


def _number(text: str | None) -> int | str:
    """Returns a property's number, or its expression."""
    text = (text or "0").strip()
    return int(text) if text.isdigit() else text


def _add_gate(plan: Tree) -> None:
    top = plan.getroot().find("hashTree/hashTree")
    group = JMX.get_thread_group(concurrency=1, testname="toril: the gate")
    group.tag = "PostThreadGroup"
    group.set("testclass", "PostThreadGroup")
    group.set("guiclass", "PostThreadGroupGui")
    for threads in group.xpath("*[@name='ThreadGroup.num_threads']"):
        threads.text = "0"
    timer = etree.Element("BeanShellTimer", guiclass="TestBeanGUI", testclass="BeanShellTimer", testname="the gate")
    for name in ("filename", "parameters", "script"):
        timer.append(JMX._string_prop(name, ""))
    timer.append(JMX._bool_prop("resetInterpreter", False))
    children = etree.Element("hashTree")
    children.extend([timer, etree.Element("hashTree")])
    top.extend([group, children])
