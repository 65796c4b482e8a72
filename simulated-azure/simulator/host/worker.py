"""A worker with an app.

Microsoft's worker library runs in a separate process, indexed and ready to run functions.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from simulator.host.app_folder import AppFolder, app_settings, placeholder_environment
from simulator.host.functions import Function
from simulator.host.limits import Limits
from simulator.host.process import WorkerDiedError, WorkerProcess
from simulator.host.python_worker.proxy_worker.protos import ParameterBinding, TypedData
from simulator.host.worker_log import WorkerLog

START_LIMIT = Limits().start
_OPEN_TELEMETRY = "WorkerOpenTelemetryEnabled"


class IndexingError(RuntimeError):
    """The worker could not load the app; the message is the worker's own, with the traceback."""


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended.

    `error` is None on success, else the exception's type, text and traceback.
    """

    outputs: Mapping[str, TypedData] = field(default_factory=dict)
    returned: TypedData | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the function ended without an exception."""
        return self.error is None


@dataclass(frozen=True)
class Worker:
    """One worker process with one indexed app.

    `path` is its sys.path after the app has loaded. `open_telemetry` is whether it exports
    telemetry itself.
    """

    process: WorkerProcess
    log: WorkerLog
    functions: tuple[Function, ...]
    ids: Mapping[str, str]
    path: tuple[str, ...]
    open_telemetry: bool

    @classmethod
    async def specialise(
        cls, app: AppFolder, environ: Mapping[str, str], limit: float = START_LIMIT
    ) -> Self:
        """Start a worker as Flex Consumption does.

        It starts as a placeholder, which then gets the environment and the app.

        Raises IndexingError if the app cannot be loaded.
        """
        log = WorkerLog()
        process = await WorkerProcess.spawn(
            placeholder_environment(environ), Path(tempfile.gettempdir()), log.record, log.line
        )
        await _ask(process, limit, "worker_init", placeholder=True)
        settings = app_settings(environ)
        log.specialised = True
        answer = await _ask(
            process, limit, "function_environment_reload", **_places(app), environment=settings
        )
        return await cls._load(process, log, answer)

    @classmethod
    async def restart(
        cls, app: AppFolder, environ: Mapping[str, str], limit: float = START_LIMIT
    ) -> Self:
        """Start a worker that replaces a dead one.

        It is no placeholder: it has the environment from the start.

        Raises IndexingError if the app cannot be loaded.
        """
        log = WorkerLog(specialised=True)
        process = await WorkerProcess.spawn(app_settings(environ), app.root, log.record, log.line)
        answer = await _ask(process, limit, "worker_init", **_places(app), placeholder=False)
        return await cls._load(process, log, answer)

    @classmethod
    async def _load(cls, process: WorkerProcess, log: WorkerLog, answer: Mapping[str, Any]) -> Self:
        entries = (await _ask(process, START_LIMIT, "functions_metadata"))["functions"]
        for entry in entries:
            await _ask(process, START_LIMIT, "function_load", function_id=entry["function_id"])
        functions = tuple(
            Function.from_raw(entry["name"], entry["raw_bindings"]) for entry in entries
        )
        ids = {entry["name"]: entry["function_id"] for entry in entries}
        return cls(
            process,
            log,
            functions,
            ids,
            tuple(answer["path"]),
            _OPEN_TELEMETRY in answer["capabilities"],
        )

    async def invoke(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, Any] | None = None,
        traceparent: str = "",
    ) -> Outcome:
        """Run a function once; `metadata` are plain values.

        Raises:
            WorkerDiedError: the process ended before the function did.

        """
        invocation = str(uuid.uuid4())
        with self.log.running(invocation, function.name):
            answer = await self.process.request(
                "invocation",
                invocation_id=invocation,
                function_id=self.ids[function.name],
                input_data=[ParameterBinding(name=function.trigger["name"], data=data)],
                trigger_metadata={
                    name: to_typed(value) for name, value in (metadata or {}).items()
                },
                traceparent=traceparent or new_traceparent(),
            )
        if "error" in answer:
            return Outcome(error=answer["error"])
        return Outcome(answer["outputs"], answer["returned"])


def _places(app: AppFolder) -> dict[str, str]:
    return {"app_root": str(app.root), "packages": str(app.packages)}


async def _ask(process: WorkerProcess, limit: float, kind: str, **fields: Any) -> dict[str, Any]:
    """Run one step of the start; kill a worker that fails it."""
    try:
        async with asyncio.timeout(limit):
            answer = await process.request(kind, **fields)
    except TimeoutError:
        answer = {"error": f"The worker did not load the app within {limit} s."}
    except WorkerDiedError as error:
        raise IndexingError(f"The worker died while it loaded the app: {error}.") from error
    if "error" in answer:
        process.kill()
        await process.gone()
        raise IndexingError(answer["error"])
    return answer


def to_typed(value: Any) -> TypedData:
    """Return a trigger metadata value as the host sends it.

    Text as it is, anything else as JSON.
    """
    return TypedData(string=value) if isinstance(value, str) else TypedData(json=json.dumps(value))


def new_traceparent() -> str:
    """Return a new W3C trace context, which no caller has sampled."""
    return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00"
