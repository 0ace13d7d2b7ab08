"""Writes down how a worker fares: a reading for each second of load, as near to the second's end as it comes to."""

import time
from collections.abc import Callable

from toril.timeline.intervals import Recorder
from toril.worker.engines.lateness import Lateness
from toril.worker.health import Monitor
from toril.worker.lanes import Lanes


class Vitals:
    """From the opening of the gates to the end."""

    def __init__(self, recorder: Recorder, lanes: Lanes, start_at: float, now: float) -> None:
        self._recorder, self._lanes, self._start_at = recorder, lanes, start_at
        self._monitor = Monitor(now)
        self._overslept = Lateness(self._late)
        self._second = -1  # the one that `now` was in
        recorder.generator(
            cores=round(self._monitor.cores, 3),
            memory_limit_bytes=self._monitor.memory_limit_bytes,
            single_threaded=bool(lanes) and any(lane.engine.single_threaded for lane in lanes),
        )

    def record(self, now: float) -> None:
        """To be called several times a second; reads when a second is over, and then about the time since the last."""
        second = int(now - self._start_at) if now >= self._start_at else -1
        if second == self._second or not (second == 0 or self._monitor.due(now)):
            return
        self._second = second
        health = self._monitor.read(now, self._lanes.single_threaded(), self._lanes.processes())
        if second == 0:
            return  # that was about the time before the start
        self._recorder.health(
            max(0, int(now - self._start_at - 0.5)),  # the last second that it is mostly about
            health.cpu_fraction_of_limit,
            health.busiest_engine_core_fraction,
            health.memory_bytes,
            health.throttled_s,
            machine=health.machine,
            waiting=health.waiting,
            throttled=health.throttled,
            sockets=health.sockets,
            sockets_share=health.sockets_share,
        )

    def sleep(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """Sleep; an engine that cannot tell how late its sends are is taken to be as late as this."""
        before = time.perf_counter()
        sleep(seconds)
        if any(lane.at_work and not lane.engine.tells_lateness for lane in self._lanes):
            self._overslept.add(time.perf_counter() - before - seconds)

    def end(self) -> None:
        """Nothing more is to come."""
        self._overslept.tell()

    def _late(self, at_s: float, late_us: int, late_p90_us: int) -> None:
        if at_s >= self._start_at - 1:
            second = max(0, int(at_s - self._start_at))
            self._recorder.sends(second, late_us=late_us, late_p90_us=late_p90_us, dropped=None)
