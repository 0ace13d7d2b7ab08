"""How late JMeter's sends are, and how many users it has: reported by a thread inside JMeter, in a file of its own.

Where a timer holds a throughput, late is a send that is due by its schedule while a virtual user waits to make it (the
schedule is looked at every 10 ms: what goes beyond those); dropped is one that the schedule asked for and that will not
be made up for, since no user was there to make it. Everything else is as late as the JVM's threads wake up: garbage
collection and a busy machine delay them alike.
"""

from collections.abc import Iterator
from pathlib import Path

from toril.worker.engines import Sends

# BeanShell, part of `jmeter_gate.py`, whose timers call late.add(ms) and add to dropped[0]. Interpreted, so it sleeps
# longer than the probes of the other engines.
SENDS_SCRIPT = """
late = new java.util.concurrent.ConcurrentLinkedQueue(); // ms, of sends that were due
dropped = new double[] {{-1.0}}; // negative: no timer holds a throughput

sends = null; // the file
mainGroups = new java.util.LinkedHashSet(); // the engine forgets them at its end
told = -1; // users

tell(line) {{
    sends.write(line + "\\n");
    sends.flush();
}}

tellUsers() {{ // in think time, too; those of setUp and tearDown groups are none
    for (group : engine.groups) {{
        if (!(group instanceof SetupThreadGroup || group instanceof PostThreadGroup)) mainGroups.add(group);
    }}
    int users = 0;
    for (group : mainGroups) users += group.getNumberOfThreads();
    if (users != told) tell(System.currentTimeMillis() + " " + users);
    told = users;
}}

tellSends() {{
    long[] seen = new long[10000];
    ninth(count) {{ return seen[(int) Math.ceil(0.9 * count) - 1]; }}
    run() {{
        int count = 0;
        while (true) {{
            long before = System.nanoTime();
            Thread.sleep(50);
            tellUsers();
            seen[count++] = Math.max(0L, (System.nanoTime() - before) / 1000L - 50000L);
            if (count < 20) continue;
            java.util.Arrays.sort(seen, 0, count);
            long worst = seen[count - 1];
            long p90 = ninth(count);
            for (count = 0; count < seen.length && (ms = late.poll()) != null; count++) seen[count] = 1000L * ms;
            if (count > 0) {{
                java.util.Arrays.sort(seen, 0, count);
                worst = Math.max(worst, seen[count - 1]);
                p90 = Math.max(p90, ninth(count));
            }}
            count = 0;
            long at = System.currentTimeMillis() - 500L; // the middle of the second that was watched
            tell(at + " " + worst + " " + p90 + " " + (long) Math.floor(dropped[0]));
        }}
    }}
    return this;
}}
"""


class SendsFile:
    """Reads what the script writes, line by line.

    ms since the epoch, worst and 90th percentile in µs, dropped so far (-1: nothing holds a throughput); or, whenever
    it has changed, ms since the epoch and the number of users.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._dropped = 0
        self.users = 0
        self.begun_at: float | None = None  # when the first user was there, seconds since the epoch
        self.ended_at: float | None = None  # when the last one had left

    def read(self) -> Iterator[Sends]:
        """Whole lines that were added since the last call."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            lines = file.read().splitlines(keepends=True)
        for line in lines:
            if not line.endswith(b"\n"):
                return  # being written
            self._position += len(line)
            at_ms, *numbers = map(int, line.split())
            at_s = at_ms / 1000
            if len(numbers) == 1:
                (self.users,) = numbers
                self.begun_at = self.begun_at or (at_s if self.users else None)
                self.ended_at = at_s if self.begun_at and not self.users else None
                continue
            late_us, late_p90_us, dropped = numbers
            before, self._dropped = self._dropped, max(0, dropped)
            yield Sends(
                at_s=at_s,
                late_us=late_us,
                late_p90_us=late_p90_us,
                dropped=None if dropped < 0 else dropped - before,
            )
