"""Start the app, and report a failure to start in Application Insights and the log of the process.

If function_app.py raises, the Functions host logs one warning, restarts the worker once, and then
runs without functions, so every address answers 404 (Azure/azure-functions-host,
WorkerFunctionMetadataProvider). So the error is logged, sent and printed here before it is raised.
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
"""The locked version of the worker library.

With earlier versions OpenTelemetry breaks every asynchronous function
(Azure/azure-functions-python-worker, issue 1881).
"""


def begin(env: Mapping[str, str]) -> Settings:
    """Start telemetry, then read the settings; logs every problem and raises ConfigError."""
    with reported("the app cannot start"):
        telemetry.configure(env)
        logging.getLogger("azure").setLevel(logging.WARNING)  # The SDK logs every request at INFO.
        # It warns of an answer that it cannot read by quoting it, with the token that it may hold.
        logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
        logging.getLogger("rekey").setLevel(logging.INFO)
        _look_at_worker(sys.modules.get(WORKER))
        _look_at_runbook(env.get("REKEY_RUNBOOK", ""))
        return Settings.read(env)


def _look_at_worker(library: ModuleType | None) -> None:
    """Log if the platform's older worker library runs the app instead of the app's own."""
    running = str(getattr(getattr(library, "version", None), "VERSION", ""))
    if running and tuple(int(part) for part in re.findall(r"\d+", running)[:2]) < TESTED:
        log.critical(
            "the worker library %s runs the app, which needs %d.%d or newer."
            " Fix: deploy the package with its packages: make package, or remoteBuild=true",
            running,
            *TESTED,
        )


def _look_at_runbook(address: str) -> None:
    """Log an address that the pages leave out: no link is worth an app that does not start."""
    if address and not address.startswith(("https://", "http://")):
        log.warning(
            "REKEY_RUNBOOK is %.200r, which no page can link to."
            " Fix: write the address where docs/runbook.md is read, https://…",
            address,
        )


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Log any error raised inside as critical, send it, print it to stderr, and raise it again."""
    try:
        yield
    except Exception as error:
        for problem in _problems(error):
            log.critical("%s: %s", what, problem)
            line = f"rekey: {what}: {problem}"
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - stderr reaches the host's log
        telemetry.flush_now()
        raise


def _problems(error: Exception) -> tuple[str, ...]:
    """Return the problems, one sentence each; for an unexpected error only its class and place."""
    if isinstance(error, ConfigError):
        return error.problems
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f" in {frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno}" if frame else ""
    text = f": {error}" if isinstance(error, ImportError | SyntaxError) else ""
    fix = "see the traceback, and deploy the last package that worked"
    return (f"{type(error).__name__}{place}{text}. Fix: {fix}",)
