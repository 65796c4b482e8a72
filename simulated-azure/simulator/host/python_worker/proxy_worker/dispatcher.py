"""Answers the host's requests through the worker library, as the real dispatcher.py does.

A BaseException that escapes the library (mostly CancelledError) gets no answer: the host keeps
waiting.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from . import protos
from .channel import Channel
from .dependency import prioritize_customer_dependencies
from .logs import ChannelHandler, InvocationTask

WORKER_FOLDER = str(Path(__file__).parents[1])
logger = logging.getLogger("proxy_worker")


class Dispatcher:
    """One worker process. `requests` maps each kind of request to its handler."""

    def __init__(self, connection: socket.socket) -> None:
        self._channel = Channel(connection)
        self._library: ModuleType | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests = {
            "worker_init": self._worker_init,
            "function_environment_reload": self._function_environment_reload,
            "functions_metadata": self._functions_metadata,
            "function_load": self._function_load,
            "invocation": self._invocation,
        }

    async def dispatch_forever(self) -> None:
        """Answer requests as they arrive, each in its own task."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(
            lambda loop, coro, **options: InvocationTask(coro, loop=loop, **options)
        )
        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().addHandler(ChannelHandler(self._channel.send))
        self._channel.listen(loop, self._receive)
        await loop.create_future()

    def _receive(self, request: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._dispatch(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dispatch(self, request: dict[str, Any]) -> None:
        try:
            answer = await self._requests[request["kind"]](SimpleNamespace(**request["fields"]))
        except Exception as error:  # noqa: BLE001 - the host is told, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}"}
        self._channel.send({"id": request["id"], **answer})

    async def _worker_init(self, fields: SimpleNamespace) -> dict[str, Any]:
        if fields.placeholder:
            # The real worker loads its own library now, and unloads it when it gets the app.
            importlib.import_module("azure_functions_runtime")
            return {}
        prioritize_customer_dependencies(fields.packages, WORKER_FOLDER, fields.app_root)
        init = SimpleNamespace(capabilities={}, function_app_directory=fields.app_root)
        response = await self._reload_library().worker_init_request(
            _request(worker_init_request=init)
        )
        return _started(response)

    async def _function_environment_reload(self, fields: SimpleNamespace) -> dict[str, Any]:
        prioritize_customer_dependencies(fields.packages, WORKER_FOLDER, fields.app_root)
        library = self._reload_library()
        change = SimpleNamespace(
            function_app_directory=fields.app_root, environment_variables=fields.environment
        )
        request = _request(function_environment_reload_request=change)
        return _started(await library.function_environment_reload_request(request))

    def _reload_library(self) -> ModuleType:
        self._library = importlib.import_module("azure_functions_runtime")
        version = importlib.import_module("azure_functions_runtime.version").VERSION
        logger.info("Using library: %s, library version: %s", self._library.__file__, version)
        self._library.start_threadpool_executor()
        return self._library

    async def _functions_metadata(self, _fields: SimpleNamespace) -> dict[str, Any]:
        response = await self._loaded().functions_metadata_request(_request())
        return {
            "functions": [_described(entry) for entry in response.function_metadata_results or []]
        }

    async def _function_load(self, fields: SimpleNamespace) -> dict[str, Any]:
        load = SimpleNamespace(function_id=fields.function_id)
        return _checked(
            await self._loaded().function_load_request(_request(function_load_request=load))
        )

    async def _invocation(self, fields: SimpleNamespace) -> dict[str, Any]:
        task = asyncio.current_task()
        assert isinstance(task, InvocationTask)  # noqa: S101 - the factory makes no others
        task.invocation_id = fields.invocation_id
        invocation = SimpleNamespace(
            **vars(fields),
            trace_context=SimpleNamespace(
                trace_parent=fields.traceparent, trace_state="", attributes={}
            ),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        response = await self._loaded().invocation_request(_request(invocation_request=invocation))
        return _checked(response) or {
            "outputs": _outputs(response),
            "returned": response.return_value,
        }

    def _loaded(self) -> ModuleType:
        if self._library is None:
            raise RuntimeError("the worker has no app yet")
        return self._library


def _request(**parts: Any) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**parts), properties={"host": "127.0.0.1", "protos": protos}
    )


def _started(response: Any) -> dict[str, Any]:
    return _checked(response) or {"capabilities": dict(response.capabilities), "path": sys.path}


def _described(entry: Any) -> dict[str, Any]:
    return {
        "name": entry.name,
        "function_id": entry.function_id,
        "raw_bindings": entry.raw_bindings,
    }


def _checked(response: Any) -> dict[str, Any]:
    result = vars(response)["result"]
    if result.status == protos.StatusResult.Success:
        return {}
    return {"error": f"{result.exception.message}\n{result.exception.stack_trace}".rstrip()}


def _outputs(response: protos.InvocationResponse) -> Mapping[str, protos.TypedData]:
    return {
        binding.name: binding.data for binding in response.output_data if binding.data is not None
    }
