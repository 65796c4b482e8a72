"""Function groups.

Functions of one group share a process (FunctionMetadataExtensions.GetFunctionGroup of the real
host).
"""

from __future__ import annotations

from simulator.host.functions import Function

HTTP = "http"
# Event Grid calls the host's webhook, so its functions run with the HTTP functions.
_HTTP_KINDS = {"httptrigger", "eventgridtrigger"}


def group_of(function: Function) -> str:
    """Return a function's group: one for HTTP and Event Grid, and one for every other function."""
    return HTTP if function.kind in _HTTP_KINDS else f"function:{function.name}"
