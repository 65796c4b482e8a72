"""Stands for the older worker library, which an app gets that does not ship its own.

The platform pinned 1.1.1 in November 2026. With OpenTelemetry switched on that version fails every
invocation of an async function (azure-functions-python-worker, issue 1881), so this one fails
whatever it is asked to do with an app.
"""

from . import version

REASON = (
    f"azure-functions-runtime {version.VERSION}, which the platform carries, cannot run this app: "
    "name azure-functions-runtime>=1.3 in requirements.txt."
)


def start_threadpool_executor() -> None:
    """Do nothing: this library never gets as far as running a function."""


async def worker_init_request(_request: object) -> object:
    """Refuse an app; a placeholder has none."""
    raise RuntimeError(REASON)


async def function_environment_reload_request(_request: object) -> object:
    """Refuse the app."""
    raise RuntimeError(REASON)
