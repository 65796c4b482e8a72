"""Import a command-line program once, and run it in a process of its own for each line of input.

    python forks.py azurator.cli app

It runs in the program's environment, and knows the standard library alone. A line of input is JSON
with `arguments`, `environment` and `output`, a file. It answers with the process's id, and with the
exit code once that has ended: negative where a signal has killed it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any


def serve(program: Callable[[], object]) -> None:
    """Run the program for each line of input."""
    for line in sys.stdin:
        process = os.fork()
        if not process:
            _run(program, json.loads(line))
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def _run(program: Callable[[], object], order: dict[str, Any]) -> None:
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(file, stream)
    os.environ.update(order["environment"])
    sys.argv = ["program", *order["arguments"]]
    code: object = 1
    try:
        program()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    serve(getattr(importlib.import_module(sys.argv[1]), sys.argv[2]))
