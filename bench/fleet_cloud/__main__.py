"""S3, ECS and the workers of `bench/fleet.py`, in a separate process so that their CPU does not count.

Prints its port. Workers write directly to the bucket. Only the coordinator's requests use HTTP, and each answer takes
as long as AWS's. `GET /report` returns the events so far.
"""

import argparse
import asyncio
import json
import os
import random
import re
import sys
import time
from collections import Counter
from http import HTTPStatus
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[2] / "src")]

from bench.fleet_cloud import tasks  # noqa: E402
from bench.fleet_cloud.bucket import Answer, Bucket  # noqa: E402
from bench.fleet_cloud.files import FILE_S, files_of  # noqa: E402
from bench.merge import Size  # noqa: E402
from toril import __version__  # noqa: E402
from toril.records import Exit, Ready, Start, worker_key  # noqa: E402

S3_S, ECS_S = (0.02, 0.04), (0.08, 0.12)
ENGINE_S = 2.0  # from a running task to a ready worker
LOOK_S = 1.0  # workers poll for the start once a second, and flush at the same intervals
STOPS_S = 3.0  # from a worker's exit to its task's stop in ECS
SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/")


class Cloud:
    def __init__(self, task_start_s: float, files: dict[str, list[bytes]]) -> None:
        self.task_start_s, self.files = task_start_s, files
        self.bucket, self.regions = Bucket(), dict[str, tasks.Region]()
        self.counts: Counter[tuple[str, int]] = Counter()  # kind of request, second
        self.written: dict[str, float] = {}  # key → when a worker wrote it
        self.run_id = ""

    async def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        if target == "/report":
            return Answer(200, json.dumps(self.report()).encode())
        scope = SCOPE.search(headers["authorization"])
        assert scope is not None
        region, service = scope.groups()
        if service == "ecs":
            found = self._of_ecs(region, headers["x-amz-target"].partition(".")[2], json.loads(body))
        else:
            found = self.bucket.answer(method, target, headers, body)
            if method == "PUT" and target.endswith("/start.json"):
                self._start(Start.from_json(body, target))
        self.counts[found.kind, int(time.time())] += 1
        await asyncio.sleep(random.uniform(*(ECS_S if service == "ecs" else S3_S)))
        return found

    def report(self) -> dict[str, object]:
        everyone = [(name, task) for name, region in self.regions.items() for task in region.tasks.values()]
        return {
            "counts": [[kind, second, count] for (kind, second), count in self.counts.items()],
            "written": self.written,
            "accepted": [[region, task.accepted_at] for region, task in everyone],
            "running": [[region, task.running_at] for region, task in everyone],
        }

    def _of_ecs(self, name: str, operation: str, request: dict[str, object]) -> Answer:
        region = self.regions.setdefault(name, tasks.Region(name))
        match operation:
            case "RunTask":
                task = region.run_task(request, self.task_start_s)
                if task is None:
                    return tasks.throttled(operation)
                self._begin(task)
                return tasks.of({"tasks": [task.described(time.time())], "failures": []}, operation)
            case "DescribeTasks":
                return tasks.of(region.describe(request), operation)
            case "ListTasks":
                return tasks.of(region.list(request), operation)
            case "StopTask":
                return tasks.of(region.stop(request), operation)
        raise NotImplementedError(operation)

    def _begin(self, task: tasks.Task) -> None:
        """Schedules the ready file of the task's worker."""
        run, worker, attempt = (task.variable(f"TORIL_{name}") for name in ("RUN", "WORKER", "ATTEMPT"))
        self.run_id = run
        ready = Ready(
            worker=worker, attempt=attempt, at=task.running_at, toril_version=__version__, pid=1, instance="1"
        )
        key = worker_key(run, worker, attempt, "ready.json")
        self._later(task.running_at + ENGINE_S, key, ready.to_json())

    def _start(self, start: Start) -> None:
        there = {task.variable("TORIL_WORKER"): task for one in self.regions.values() for task in one.tasks.values()}
        for worker, attempt in start.attempts.items():
            phase_s, files = random.uniform(0, LOOK_S), self.files[worker]
            for number, data in enumerate(files, 1):
                key = worker_key(self.run_id, worker, attempt, f"intervals-{number:06d}")
                self._later(start.at + number * FILE_S + phase_s, key, data)
            at = start.at + len(files) * FILE_S + phase_s + 0.2
            left = Exit(worker=worker, attempt=attempt, at=at, outcome="finished", interval_files=len(files))
            self._later(at, worker_key(self.run_id, worker, attempt, "exit.json"), left.to_json())
            there[worker].stopped_at = at + STOPS_S

    def _later(self, at: float, key: str, data: bytes) -> None:
        def write() -> None:
            self.bucket.values[key], self.written[key] = data, time.time()

        asyncio.get_running_loop().call_later(at - time.time(), write)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection, request after request."""
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])}
                if "expect" in headers:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                found = await self.answer(method, target, headers, body)
                more = "".join(f"{name}: {value}\r\n" for name, value in found.headers.items())
                status = f"{found.status} {HTTPStatus(found.status).phrase}"
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(found.body)}\r\n{more}\r\n"
                writer.write(head.encode() + (b"" if found.of_head else found.body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--regions", nargs="+", required=True)
    parser.add_argument("--workers", type=int, required=True, help="Workers in each region.")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--labels", type=int, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--task-start-s", type=float, required=True)
    asked = parser.parse_args()
    size = Size(asked.workers, asked.seconds, asked.labels, asked.samples)
    cloud = Cloud(asked.task_start_s, files_of(asked.regions, size))
    server = await asyncio.start_server(cloud.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # the parent process has ended


if __name__ == "__main__":
    asyncio.run(main())
