"""Lambda: functions run as processes of the machine's own Python, with their package, role and nothing else."""

import calendar
import hashlib
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import uuid
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

from tests.cloud.server import roles
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.state import on_reset

Record = dict[str, Any]
SERVICE_PRINCIPAL = "lambda.amazonaws.com"
MOST_BYTES = 6 * 1024 * 1024  # of a request, and of an answer
MOST_UPLOADED_BYTES = 50 * 1024 * 1024  # of a package that does not come from a bucket
TOO_LONG = f"Request must be smaller than {MOST_BYTES} bytes for the InvokeFunction operation"
END, ENDS_WITHIN_S = "\0", 0.25  # of one invocation's log
WORKER = Path(__file__).with_name("function_worker.py")
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")  # what AWS' runtime brings
PACKAGES = Path(__file__).parents[3] / f".venv/lib/python3.{sys.version_info.minor}/site-packages"
RESERVED = re.compile(
    r"AWS_(REGION|DEFAULT_REGION|ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|EXECUTION_ENV|LAMBDA_.*)|LAMBDA_.*|_HANDLER"
)
ENVIRONMENT: dict[str, str] = {}  # what a test adds to all functions, as the address of a proxy
FAILURES: list[str] = []  # of invocations, with their traces
on_reset(ENVIRONMENT.clear)
on_reset(FAILURES.clear)
_unpacking = threading.Lock()
_emit = lambda_svc._emit_lambda_logs


def install() -> None:
    lambda_runtime._worker_class_for = lambda config: Environment
    lambda_svc._emit_lambda_logs = _emit_with_rights


class Environment(lambda_runtime.Worker):  # type: ignore[misc]
    """An execution environment of a function."""

    def _spawn(self) -> None:
        name, config = self.config["FunctionName"], self.config
        code, home = unpacked(self.code_zip), Path(tempfile.gettempdir())
        module, _, handler = config["Handler"].rpartition(".")
        self._proc = subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), "-B", "-P", "-S", "-s", WORKER],
            cwd=code,
            env=environment(config, code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read_stderr, daemon=True).start()
        init = {
            "code": str(code),
            "sdk": str(sdk(home)),
            "module": module.replace("/", "."),
            "handler": handler,
            "name": name,
            "memory_mb": config["MemorySize"],
        }
        assert self._proc.stdin and self._proc.stdout
        self._proc.stdin.write(json.dumps(init) + "\n")
        self._proc.stdin.flush()
        answer = json.loads(self._proc.stdout.readline() or '{"error": "Runtime exited during its start"}')
        if answer.get("status") != "ready":
            raise RuntimeError(answer["error"] + self._drain_stderr())

    def _drain_stderr_bounded(self, *waits: float) -> str:
        """Returns what the function printed, up to the mark that the runtime prints after each invocation."""
        lines = []
        with suppress(queue.Empty):  # its process has ended
            while not (line := self._stderr_queue.get(timeout=ENDS_WITHIN_S)).endswith(END):
                lines.append(line)
            lines += [line.removesuffix(END)] * (line != END)
        return "\n".join(lines)

    def invoke(self, event: Any, request_id: str, **more: Any) -> Record:
        if len(json.dumps(event)) > MOST_BYTES:
            return {"status": "error", "error": TOO_LONG}
        answer: Record
        try:
            answer = super().invoke(event, request_id, **more)
        except RuntimeError as failure:  # of its start
            answer = {"status": "error", "error": "The function does not start", "trace": str(failure)}
        if answer["status"] == "error":
            FAILURES.append(f"{self.config['FunctionName']}: {answer.get('trace') or answer['error']}")
        if len(json.dumps(answer.get("result"))) > MOST_BYTES:
            return {"status": "error", "error": f"Response payload size exceeded {MOST_BYTES} bytes"}
        return answer


def unpacked(code_zip: bytes) -> Path:
    """Returns the folder of a package, which all environments share, as they may only read it."""
    folder = Path(tempfile.gettempdir(), "functions", hashlib.sha256(code_zip).hexdigest()[:16])
    with _unpacking:
        if not folder.exists():
            part = folder.with_suffix(".part")
            with zipfile.ZipFile(BytesIO(code_zip)) as archive:
                archive.extractall(part)
                for one in archive.infolist():  # compiled files name the time of their source
                    moment = calendar.timegm((*one.date_time, 0, 0, 0))
                    os.utime(part / one.filename, (moment, moment))
            part.rename(folder)
    return folder


def sdk(home: Path) -> Path:
    """Returns a folder with AWS' SDK alone."""
    folder = home / "functions" / "sdk"
    with _unpacking:
        if not folder.exists():
            folder.mkdir(parents=True)
            for name in SDK:
                (folder / name).symlink_to(PACKAGES / name)
    return folder


def environment(config: Record, code: Path) -> dict[str, str]:
    """Returns the environment of a function: AWS' variables, its role's credentials, and its own variables."""
    region = config["FunctionArn"].split(":")[3]
    logging = config.get("LoggingConfig") or {}
    found = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "TMPDIR": tempfile.gettempdir(),
        "NO_PROXY": "127.0.0.1,localhost",
        "LAMBDA_TASK_ROOT": str(code),
        "_HANDLER": config["Handler"],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config["MemorySize"]),
        "AWS_LAMBDA_FUNCTION_VERSION": config["Version"],
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}",
        "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
        **lambda_runtime.execution_credentials(config),
    }
    if "HTTPS_PROXY" not in ENVIRONMENT:  # a proxy reaches this cloud by AWS' own names
        found["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    return {**found, **ENVIRONMENT, **(config.get("Environment") or {}).get("Variables", {})}


def _emit_with_rights(func: Record, *more: Any, **named: Any) -> None:
    """Writes a function's log if its role may."""
    config = func.get("config") or func
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    place = ":".join(config["FunctionArn"].split(":")[3:5])
    arn = f"arn:aws:logs:{place}:log-group:{group}"
    made = group in cloudwatch_logs._log_groups or roles.allows(config["Role"], "logs:CreateLogGroup", arn)
    writes = ("logs:CreateLogStream", "logs:PutLogEvents")
    if made and all(roles.allows(config["Role"], action, f"{arn}:log-stream:any") for action in writes):
        _emit(func, *more, **named)


def check(request: Record) -> None:
    uploaded = request.get("ZipFile") or (request.get("Code") or {}).get("ZipFile") or ""
    if len(uploaded) > MOST_UPLOADED_BYTES * 4 / 3:  # in base64
        raise Refusal(
            "RequestEntityTooLargeException", f"Request must be smaller than {MOST_UPLOADED_BYTES} bytes", 413
        )
    if "Role" in request and not roles.trusts(request["Role"], SERVICE_PRINCIPAL):
        message = "The role defined for the function cannot be assumed by Lambda."
        raise Refusal("InvalidParameterValueException", message)
    taken = [name for name in (request.get("Environment") or {}).get("Variables", {}) if RESERVED.fullmatch(name)]
    if taken:
        message = f"The environment variables you have provided contain reserved keys: {', '.join(taken)}"
        raise Refusal("InvalidParameterValueException", message)


def _unpack(request: Record, answer: Record) -> Record:
    """Unpacks a new package at once, as AWS does before a function is active."""
    code = lambda_svc._functions[lambda_svc._resolve_name(answer["FunctionName"])]["code_zip"]
    threading.Thread(target=unpacked, args=(code,), daemon=True).start()
    return answer


SERVICE = Service(
    name="lambda",
    model="lambda",
    invalid="InvalidParameterValueException",
    amends={"CreateFunction": _unpack, "UpdateFunctionCode": _unpack},
    checks=dict.fromkeys(("CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration"), check),
)
