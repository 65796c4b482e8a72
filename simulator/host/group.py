"""Function groups.

Which functions share a process (FunctionMetadataExtensions.GetFunctionGroup of the real host).
"""

from __future__ import annotations

from simulator.host.functions import Function

HTTP = "http"
# Event Grid calls through the host's webhook, so its functions run where HTTP does.
_HTTP_KINDS = {"httptrigger", "eventgridtrigger"}


def group_of(function: Function) -> str:
    """Return the group of a function: HTTP with Event Grid, and every other function for itself."""
    return HTTP if function.kind in _HTTP_KINDS else f"function:{function.name}"
