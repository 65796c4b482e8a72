"""Stands for the older worker library, for apps that do not ship their own.

The platform pinned 1.1.1 in November 2026. With OpenTelemetry on, that version fails every
invocation of an async function (azure-functions-python-worker, issue 1881), so this one fails every
request about an app.
"""

from . import version

REASON = (
    f"azure-functions-runtime {version.VERSION}, which the platform carries, cannot run this app: "
    "name azure-functions-runtime>=1.3 in requirements.txt."
)


def start_threadpool_executor() -> None:
    """Do nothing: this library never runs a function."""


async def worker_init_request(_request: object) -> object:
    """Refuse the app."""
    raise RuntimeError(REASON)


async def function_environment_reload_request(_request: object) -> object:
    """Refuse the app."""
    raise RuntimeError(REASON)
