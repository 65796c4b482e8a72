"""The bridge to Microsoft's worker library: indexes a function_app.py and invokes its functions, without gRPC.

The library keeps the indexed functions in module globals: one app a process.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from simulator.host import protos
from simulator.host.functions import Function
from simulator.host.protos import TypedData
from simulator.host.settings import load_local_settings

_log = logging.getLogger("host")


class IndexingError(RuntimeError):
    """The worker could not load the app; the message is the worker's own, with the traceback."""


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: `error` is None on success, else the exception's type, text and traceback."""

    outputs: Mapping[str, TypedData] = field(default_factory=dict)
    returned: TypedData | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the function ended without an exception."""
        return self.error is None


class Worker:
    """Microsoft's worker with one indexed app."""

    def __init__(self, functions: Mapping[str, tuple[str, Function]], app_dir: Path) -> None:
        self._functions = functions
        self.app_dir = app_dir

    @classmethod
    async def start(cls, app_dir: Path) -> Worker:
        """Load local.settings.json, import function_app.py from `app_dir`, and index it.

        Raises:
            IndexingError: with the worker's message, when the app cannot be loaded.

        """
        _prepare(app_dir)
        runtime.start_threadpool_executor()
        init = SimpleNamespace(capabilities={}, function_app_directory=str(app_dir))
        _check(await runtime.worker_init_request(_request(worker_init_request=init)))
        return cls(await _load_all(), app_dir)

    @property
    def functions(self) -> tuple[Function, ...]:
        """Every indexed function."""
        return tuple(function for _, function in self._functions.values())

    async def invoke(
        self, name: str, data: TypedData, metadata: Mapping[str, Any] | None = None, traceparent: str = ""
    ) -> Outcome:
        """Run a function once. `metadata` are plain values; a BaseException of the function comes through to the caller."""
        function_id, function = self._functions[name]
        invocation = SimpleNamespace(
            invocation_id=str(uuid.uuid4()),
            function_id=function_id,
            input_data=[protos.ParameterBinding(name=function.trigger["name"], data=data)],
            trigger_metadata={key: to_typed(value) for key, value in (metadata or {}).items()},
            trace_context=SimpleNamespace(trace_parent=traceparent or new_traceparent(), trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        return await _run(name, invocation)


def _prepare(app_dir: Path) -> None:
    load_local_settings(app_dir)
    if str(app_dir) not in sys.path:
        sys.path.insert(0, str(app_dir))


async def _run(name: str, invocation: SimpleNamespace) -> Outcome:
    _log.info("Executing 'Functions.%s' (Id=%s)", name, invocation.invocation_id)
    started = time.monotonic()
    outcome = _outcome(await runtime.invocation_request(_request(invocation_request=invocation)))
    state = "Succeeded" if outcome.ok else "Failed"
    taken = round((time.monotonic() - started) * 1000)
    _log.info("Executed 'Functions.%s' (%s, Id=%s, Duration=%dms)", name, state, invocation.invocation_id, taken)
    if not outcome.ok:
        _log.error("Exception while executing function: Functions.%s. %s", name, outcome.error)
    return outcome


def _outcome(response: protos.InvocationResponse) -> Outcome:
    result = vars(response)["result"]
    if result.status != protos.StatusResult.Success:
        return Outcome(error=_text(result.exception))
    outputs = {binding.name: binding.data for binding in response.output_data if binding.data is not None}
    return Outcome(outputs, response.return_value)


async def _load_all() -> dict[str, tuple[str, Function]]:
    answer = await runtime.functions_metadata_request(_request())
    loaded = {}
    for entry in answer.function_metadata_results or []:
        load = SimpleNamespace(function_id=entry.function_id)
        _check(await runtime.function_load_request(_request(function_load_request=load)))
        loaded[entry.name] = (entry.function_id, Function.from_raw(entry.name, entry.raw_bindings))
    return loaded


def to_typed(value: Any) -> TypedData:
    """Return a trigger metadata value as the host sends it: text as it is, anything else as JSON."""
    return TypedData(string=value) if isinstance(value, str) else TypedData(json=json.dumps(value))


def new_traceparent() -> str:
    """Return a fresh W3C trace context, not sampled by anybody upstream."""
    return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00"


def _request(**parts: Any) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**parts), properties={"host": "127.0.0.1", "protos": protos})


def _check(response: Any) -> None:
    if response.result.status != protos.StatusResult.Success:
        raise IndexingError(_text(response.result.exception))


def _text(exception: protos.RpcException) -> str:
    return f"{exception.message}\n{exception.stack_trace}".rstrip()
