"""Writes what functions return through queue output bindings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulator.host.functions import Function
from simulator.host.messages import encode
from simulator.host.outputs import OutputError, to_messages
from simulator.host.python_worker.proxy_worker.protos import TypedData
from simulator.host.queue_messages import send
from simulator.host.settings import resolve
from simulator.host.storage import Storage
from simulator.host.worker import Outcome


class OutputWriter:
    """Writes the outputs of successful invocations.

    `written` is called for each queue that got a message.
    """

    def __init__(
        self, storage: Storage, written: Callable[[str], None], *, is_base64: bool
    ) -> None:
        self._storage = storage
        self._written = written
        self._is_base64 = is_base64

    async def write(self, function: Function, outcome: Outcome) -> None:
        """Write every output of one invocation, and create missing queues.

        Raises OutputError if a value cannot be written, or if this host does not know the kind of
        binding.
        """
        values = dict(outcome.outputs)
        if outcome.returned is not None and function.kind != "httptrigger":
            values["$return"] = outcome.returned
        await asyncio.gather(
            *(self._write(function, name, value) for name, value in values.items())
        )

    async def _write(self, function: Function, name: str, value: TypedData) -> None:
        binding = function.output(name)
        if binding["type"].lower() != "queue":
            raise OutputError(
                f"{function.name}: this host has no output binding of type {binding['type']}, "
                "only queue."
            )
        queue_name = resolve(binding["queueName"])
        queue = self._storage.queue(binding.get("connection"), queue_name)
        for body in to_messages(value):
            await send(queue, encode(body, is_base64=self._is_base64))
        self._written(queue_name)
