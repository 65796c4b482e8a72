"""Start the app so that what is wrong is seen: in Application Insights, and in the log of the process.

The Functions host logs one warning of a function_app.py that raises, restarts the worker once, and
then runs
without functions: every address answers 404 (Azure/azure-functions-host,
WorkerFunctionMetadataProvider). So
whatever keeps the app from starting is logged, sent and printed here before it is raised.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType

from cloud.settings import Settings
from cloud.telemetry import setup as telemetry
from engine.errors import ConfigError

log = logging.getLogger("rekey.start")

WORKER = "azure_functions_runtime"
TESTED = (1, 3)
"""The worker library's version, as locked. Before it, OpenTelemetry breaks every asynchronous
function
(Azure/azure-functions-python-worker, issue 1881)."""


def begin(env: Mapping[str, str]) -> Settings:
    """Start telemetry first, then read the settings; raises ConfigError with every problem, all of them logged."""
    with reported("the app cannot start"):
        telemetry.configure(env)
        logging.getLogger("azure").setLevel(logging.WARNING)  # The SDK notes every request at INFO.
        logging.getLogger("rekey").setLevel(logging.INFO)
        _look_at_worker(sys.modules.get(WORKER))
        return Settings.read(env)


def _look_at_worker(library: ModuleType | None) -> None:
    """Say where an older worker library than the tested one runs the app: the platform's, in place of the app's own."""
    running = str(getattr(getattr(library, "version", None), "VERSION", ""))
    if running and tuple(int(part) for part in re.findall(r"\d+", running)[:2]) < TESTED:
        log.critical(
            "the worker library %s runs the app, which needs %d.%d or newer."
            " Fix: deploy the package with its packages: make package, or remoteBuild=true",
            running,
            *TESTED,
        )


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Log as critical whatever is raised inside, send it, print it to stderr, and let it go on."""
    try:
        yield
    except Exception as error:
        for problem in _problems(error):
            log.critical("%s: %s", what, problem)
            print(f"rekey: {what}: {problem}", file=sys.stderr, flush=True)  # noqa: T201 - stderr reaches the host's log
        telemetry.flush_now()
        raise


def _problems(error: Exception) -> tuple[str, ...]:
    """Return what is wrong, one sentence each; of a stranger's error only its class and where it was raised."""
    if isinstance(error, ConfigError):
        return error.problems
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f" in {frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno}" if frame else ""
    told = f": {error}" if isinstance(error, ImportError | SyntaxError) else ""
    return (
        f"{type(error).__name__}{place}{told}. Fix: see the traceback, and deploy the last package that worked",
    )
