"""Messages between host and worker.

A length, then a pickled dictionary. The only classes in it are those of `protos`.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

from . import protos

HEADER = struct.Struct("!I")


class Unpickler(pickle.Unpickler):
    """Reads protocol messages and plain data, nothing else.

    The two sides may import `protos` from different packages.
    """

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return a class of `protos`.

        Raises:
            UnpicklingError: the message names something else.

        """
        message = getattr(protos, global_name, None)
        if not module_name.endswith("proxy_worker.protos") or not isinstance(message, type):
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is no protocol message")
        return message


def encode(message: dict[str, Any]) -> bytes:
    """Return a message's bytes, with its length first."""
    body = pickle.dumps(message)
    return HEADER.pack(len(body)) + body


def decode(body: bytes) -> dict[str, Any]:
    """Return the message of a body."""
    message: dict[str, Any] = Unpickler(io.BytesIO(body)).load()
    return message
