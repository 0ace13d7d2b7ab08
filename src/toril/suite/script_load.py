"""The load that a script brings along: what several workers divide, or the reason why they cannot divide it exactly.

Workers start the threads of a JMX in turn, over all its groups. toril's jar has a class for each kind of group.
"""

import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

from toril.records import ScriptGroup
from toril.suite.files import is_enabled, jmx_root, texts, walked
from toril.suite.reader import quoted

SIMPLE, DYNAMIC = "kg.apc.jmeter.threads.", "com.blazemeter.jmeter.threads."
CLASSES = {  # a group → its class in toril's jar, which starts a worker's threads only
    "ThreadGroup": "toril.Threads",
    "SetupThreadGroup": "toril.Setup",
    "PostThreadGroup": "toril.Post",
    f"{SIMPLE}UltimateThreadGroup": "toril.Ultimate",
    f"{SIMPLE}SteppingThreadGroup": "toril.Stepping",
    f"{DYNAMIC}concurrency.ConcurrencyThreadGroup": "toril.Concurrency",
    f"{DYNAMIC}arrivals.ArrivalsThreadGroup": "toril.Arrivals",
    f"{DYNAMIC}arrivals.FreeFormArrivalsThreadGroup": "toril.FreeFormArrivals",
}
FIXED = ("toril.Threads", "toril.Setup", "toril.Post", "toril.Stepping")  # groups with a number of threads
FIRST = "toril.first"  # a group's property: the place of its first thread in the sequence of all
ARRIVALS = ("toril.Arrivals", "toril.FreeFormArrivals")
SHARED = {  # elements by which the threads of one JMeter act together
    "SyncTimer": "releases threads of one JMeter together",
    "CriticalSectionController": "lets one thread of a JMeter in at a time",
    "PreciseThroughputTimer": "paces the threads of one JMeter by a random schedule",
    "IncludeController": "includes another JMX",
}
TIMERS = {  # timers that pace all threads together → their rates
    "ConstantThroughputTimer": "throughput",
    "kg.apc.jmeter.timers.VariableThroughputTimer": "load_profile",
}
BY_THREAD, OF_ALL = ("", "0"), ("1", "3")  # `calcMode` of a ConstantThroughputTimer
BETWEEN_THREADS = re.compile(r"__setProperty\(|\b(?:props|JMeterUtils)\s*\.\s*(?:put|setProperty)\b|(?i:fifo)")
PROPERTY = re.compile(r"\$\{__(P|property)\(\s*([^(){},]+?)\s*((?:,[^(){},]*)*)\)\}")
VARIABLE = re.compile(r"\$\{([\w.-]+)\}")
PAUSES = {"ConstantTimer.delay", "RandomTimer.range", "ActionProcessor.duration"}  # in ms
Points = tuple[tuple[float, float], ...]
Step = tuple[Fraction | int, Fraction, Fraction]  # users that come, or go; from when on; during how many seconds
NOW = Fraction(0)
DEEPEST = 10  # variables whose values have variables
FIXED_USERS = re.compile(r"^\s*fixed_count\s*(?::[^=\n]+)?=\s*[1-9]", re.MULTILINE)


class UndividableError(Exception):
    """The reason why workers cannot divide a script's load exactly: a sentence without its full stop."""


def has_shape(text: str) -> bool:
    """Returns whether a locustfile has a load shape."""
    return "LoadTestShape" in text


def check_locustfile(text: str) -> None:
    """Raises UndividableError for a locustfile whose load shape does not set all users."""
    if FIXED_USERS.search(text):
        raise UndividableError("`fixed_count` sets users of each worker, whatever the load shape returns")


def check_simulation(path: Path) -> None:
    """Raises UndividableError for a simulation of Gatling, in a source or a jar, whose users wait for each other."""
    parts = [path.read_bytes()] if path.is_file() else []  # else a download
    if parts and is_zipfile(path):
        with ZipFile(path) as jar:
            parts = [jar.read(name) for name in jar.namelist() if not name.startswith("io/gatling/")]
    if any(b"rendezVous" in part for part in parts):
        raise UndividableError("`rendezVous` waits for users of one worker only")


def groups_of(path: Path, given: Mapping[str, str], divided: Collection[str]) -> tuple[ScriptGroup, ...]:
    """Returns the thread groups of a JMX, with their users or arrivals.

    `given` are the suite's properties for JMeter, `divided` the files whose rows the workers divide. Raises
    UndividableError if the workers cannot divide the load exactly.
    """
    root = jmx_root(path)
    if root is None:
        raise UndividableError("toril cannot read the JMX")
    values = _Values(root, given)
    elements = thread_groups(root)
    groups = tuple(_group(element, values) for element in elements)
    if not groups:
        raise UndividableError("The JMX has no enabled thread group")
    for element in walked(root):
        _check(element, divided)
        if timed_groups(root, element) is None:
            raise UndividableError(f"The timer {quoted(_name(element))} paces several thread groups")
    return groups


class _Values:
    """Evaluates properties of a JMX as JMeter would: its variables, and properties with their defaults."""

    def __init__(self, root: Any, given: Mapping[str, str]) -> None:
        self.given = given
        tables = [element for element, _ in _top(root) if element.tag == "Arguments" and is_enabled(element)]
        plan = root.find("hashTree/TestPlan")
        arguments = [row for table in (plan, *tables) if table is not None for row in table.iter("elementProp")]
        self.variables = {_text(row, "Argument.name"): _text(row, "Argument.value") for row in arguments}

    def number(self, written: str, what: str) -> Fraction:
        """Returns a number; raises UndividableError if only JMeter can compute it."""
        text = written
        for _ in range(DEEPEST):
            text = PROPERTY.sub(self._property, text)
            text = VARIABLE.sub(lambda match: self.variables.get(match[1], match[0]), text)
        try:
            return Fraction(text.strip() or "0")
        except ValueError:
            raise UndividableError(f"Only JMeter can compute {quoted(written)}, the {what}") from None

    def _property(self, match: re.Match[str]) -> str:
        function, name, rest = match.groups()
        defaults = [text.strip() for text in rest.split(",")[1:]]
        default = defaults[0] if function == "P" and defaults else "1"
        if function == "property":
            default = defaults[1] if len(defaults) > 1 else name
        return str(self.given.get(name, default))


def users_of(path: Path, given: Mapping[str, str]) -> tuple[Points, float]:
    """Returns the users of a JMX over time, and its longest pause in seconds; no points if only its run shows them."""
    root, steps = jmx_root(path), list[Step]()
    if root is None or "true" in texts(root, {"TestPlan.serialize_threadgroups"}):
        return (), 0.0
    try:
        values = _Values(root, given)
        for group in thread_groups(root):
            steps += _steps_of(group, values)
        pauses = [values.number(text, "pause") for timer in walked(root) for text in texts(timer, PAUSES)]
    except (UndividableError, ZeroDivisionError, LookupError):
        return (), 0.0
    times = sorted({NOW}.union(at for _, from_s, lasts_s in steps for at in (from_s, from_s + lasts_s)))
    ends = [(at, end) for at in times for end in (False, True)]
    points = [(float(at), float(sum(_step_at(step, at, end=end) for step in steps))) for at, end in ends]
    known = len(times) > 1 and all(users >= 0 for _, users in points)
    return (tuple(dict.fromkeys(points[1:])) if known else ()), float(sum(pauses)) / 1000


def _step_at(step: Step, at_s: Fraction, *, end: bool) -> Fraction:
    """Returns the part of a step that is done by a time; with `end`, of a jump at this time as well."""
    users, from_s, lasts_s = Fraction(step[0]), *step[1:]
    if at_s < from_s or (at_s == from_s and not (end and lasts_s == 0)):
        return Fraction(0)
    return users if at_s >= from_s + lasts_s else users * (at_s - from_s) / lasts_s


def _steps_of(group: Any, values: _Values) -> list[Step]:
    """Returns the steps by which users come and go; raises UndividableError if only the run shows them."""
    kind = CLASSES.get(group.tag, "")

    def number(key: str) -> Fraction:
        return values.number(_text(group, key), key)

    def is_set(key: str, value: str) -> bool:
        return value in texts(group, {key})

    endless = is_set("LoopController.loops", "-1") or is_set("LoopController.continue_forever", "true")
    users = _group(group, values).users
    if kind == "toril.Concurrency" and not number("Iterations"):
        unit = 60 if is_set("Unit", "M") else 1
        ramp_s, stairs = unit * number("RampUp"), int(number("Steps"))
        ups: list[Step] = [(Fraction(users, stairs), ramp_s * n / stairs, NOW) for n in range(stairs)]
        return [*(ups or [(users, NOW, ramp_s)]), (-users, ramp_s + unit * number("Hold"), NOW)]
    if kind == "toril.Threads" and endless and is_set("ThreadGroup.scheduler", "true"):
        from_s, ramp_s, lasts_s = (number(f"ThreadGroup.{key}") for key in ("delay", "ramp_time", "duration"))
        if ramp_s <= lasts_s:
            return [(users, from_s, ramp_s), (-users, from_s + lasts_s, NOW)]
    if kind == "toril.Ultimate" and endless:
        rows = [[values.number(cell, "row") for cell in row] for row in _rows_of(group, "ultimatethreadgroupdata")]
        downs = [(-row[0], row[1] + row[2] + row[3], row[4]) for row in rows]
        return [*((row[0], row[1], row[2]) for row in rows), *downs]
    if kind == "toril.Stepping" and endless:
        return _stairs(users, number)
    if kind == "toril.Post":
        return []
    raise UndividableError("Only the run shows its users")


def _stairs(users: int, number: Callable[[str], Fraction]) -> list[Step]:
    """Returns the steps of the plug-in's stepping group, as it computes the times of its threads."""
    delay_s, ramp_s, every_s = (number(key) for key in ("Threads initial delay", "rampUp", "Start users period"))
    size, off = (int(number(f"{key} users count")) or users for key in ("Start", "Stop"))
    burst = min(int(number("Start users count burst")), users) or size
    sizes = [min(burst, users), *(min(size, users - begun) for begun in range(burst, users, size))]
    ups = [
        (count, delay_s + step * (every_s + ramp_s), ramp_s * count / (size if step else burst))
        for step, count in enumerate(sizes)
    ]
    last = (users - burst) % size or size
    full_s = delay_s + (len(sizes) - 1 or users < burst) * (every_s + ramp_s) + ramp_s / size * last
    end_s, stop_s = full_s + number("flighttime"), number("Stop users period")
    return [*ups, *((-min(off, users - n), end_s + stop_s * (n // off), NOW) for n in range(0, users, off))]


def thread_groups(root: Any) -> list[Any]:
    """Returns the enabled thread groups of a JMX in order."""
    return [element for element, _ in _top(root) if "Group" in str(element.tag) and is_enabled(element)]


def timed_groups(root: Any, element: Any) -> list[Any] | None:
    """Returns the groups whose threads share the rate of a timer; None if they cannot divide it, [] for others."""
    mode, constant = _text(element, "calcMode"), element.tag == "ConstantThroughputTimer"
    if element.tag not in TIMERS or (constant and mode in BY_THREAD):
        return []
    around = [group for group, inside in _top(root) if inside is not None and any(e is element for e in inside.iter())]
    known = [group for group in thread_groups(root) if group.tag not in ("SetupThreadGroup", "PostThreadGroup")]
    one_rate = constant and mode in OF_ALL
    scope = known if one_rate or not around or around[0] not in known else around
    mixed = len({CLASSES.get(group.tag) in ARRIVALS for group in scope}) > 1
    return None if mixed or (constant and not one_rate and len(scope) > 1) else scope


def _top(root: Any) -> list[tuple[Any, Any]]:
    """Returns the elements below the test plan with their hashTrees."""
    tree = root.find("hashTree/hashTree")
    children = [] if tree is None else list(tree)
    return [
        (child, inside if inside is not None and inside.tag == "hashTree" else None)
        for child, inside in zip_longest(children, children[1:])
        if child.tag != "hashTree"
    ]


def _group(element: Any, values: _Values) -> ScriptGroup:
    """Returns a thread group with its users, or with its arrivals."""
    kind, name = CLASSES.get(element.tag), quoted(_name(element))
    if kind is None:
        raise UndividableError(f"toril does not know the thread group {name} ({element.tag})")
    level = [_text(element, "ThreadGroup.num_threads" if kind in FIXED else "TargetLevel")]
    if kind in ARRIVALS:
        if limit := values.number(_text(element, "ConcurrencyLimit"), f"limit of threads of {name}"):
            raise UndividableError(f"The thread group {name} limits its threads to {limit}, of one JMeter")
        rates = [cell for row in _rows_of(element, "Schedule") for cell in row[:2]] or level
        peak = max(values.number(rate, f"rate of {name}") for rate in rates)
        per_s = peak if _text(element, "Unit", "S") == "S" else peak / 60
        return ScriptGroup(name=_name(element), arrivals_per_s=float(per_s))
    written = [row[0] for row in _rows_of(element, "ultimatethreadgroupdata")] if kind == "toril.Ultimate" else level
    users = sum(values.number(text, f"users of {name}") for text in written)
    if users != int(users) or users < 0:
        raise UndividableError(f"The users of {name} are no whole number")
    return ScriptGroup(name=_name(element), users=int(users))


def _rows_of(element: Any, name: str) -> list[list[str]]:
    """Returns the texts of a table of an element."""
    tables = [table for table in element.iter("collectionProp") if table.get("name") == name]
    return [[(cell.text or "").strip() for cell in row] for table in tables for row in table]


def _check(element: Any, divided: Collection[str]) -> None:
    """Raises UndividableError for an element by which the threads of one JMeter act together."""
    name, text = quoted(_name(element)), " ".join(element.itertext())
    if element.tag in SHARED:
        raise UndividableError(f"{name} {SHARED[element.tag]}")
    if BETWEEN_THREADS.search(f"{element.tag} {text}"):
        raise UndividableError(f"{name} passes a value to other threads, which other workers do not receive")
    once = _text(element, "recycle") == "false" and _text(element, "shareMode") != "shareMode.thread"
    if element.tag == "CSVDataSet" and once and _text(element, "filename") not in divided:
        raise UndividableError(f"Each worker would read all rows of {name} once. Add the file to `toril.split-data`")
    of_all = _text(element, "ThroughputController.perThread") != "true"
    if element.tag == "ThroughputController" and of_all and _text(element, "ThroughputController.style") == "0":
        raise UndividableError(f"{name} counts its executions by all threads of one JMeter")


def _text(element: Any, key: str, default: str = "") -> str:
    return next(texts(element, {key}), default)


def _name(element: Any) -> str:
    return str(element.get("testname") or element.tag)
