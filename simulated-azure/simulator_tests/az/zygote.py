"""The Azure CLI, started once and forked for every command.

Azure-cli's own Python runs it with the path of a socket. A command runs as the program `az` does,
in a process of its own, with the streams, folder and environment of its caller. Only imports are
shared: with its own, a command takes one to three seconds, without 0.1. Names that end in
.localhost resolve to 127.0.0.1, as RFC 6761 has it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from azure.cli import core
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS

CONFIG = 100
"""The open folder that AZURE_CONFIG_DIR names, as /proc/self/fd/100."""
PARSE_ONLY = "AZ_PARSE_ONLY"
"""In a caller's environment: check command and arguments, and do nothing."""
SIGN_IN = (
    "msal",
    "msal_extensions",
    "requests",
    "azure.cli.core.auth.identity",
    "azure.cli.core.auth.persistence",
)
"""What every command that asks Azure imports once it runs."""
make_cli = core.get_default_cli


def resolve_localhost() -> None:
    """Resolve every name that ends in .localhost to 127.0.0.1."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        return original("127.0.0.1" if name.endswith(".localhost") else host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def cli_that_stops_after_parsing() -> Any:
    """Return a CLI that ends with exit code 0 once it has understood command and arguments."""

    def stop(*_: object, **__: object) -> NoReturn:
        raise SystemExit

    cli = make_cli()
    cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, stop)
    return cli


def preload(arguments: list[str]) -> None:
    """Import what arguments are parsed with; what is wrong with them is the caller's to hear."""
    with silence(), contextlib.suppress(BaseException):
        cli_that_stops_after_parsing().invoke(arguments)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Send the process's output nowhere: handlers of logs hold on to their first streams."""
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, stream in zip((1, 2), kept, strict=True):
            os.dup2(stream, number)
        for stream in (*kept, nowhere):
            os.close(stream)


def use_config(folder: str) -> None:
    """Let azure-cli, which keeps the path of its folder from its import on, find another folder under that path."""
    opened = os.open(folder, os.O_RDONLY)
    os.dup2(opened, CONFIG)
    os.close(opened)


def run(call: dict[str, Any], streams: list[int]) -> int:
    """Be `az` for one caller, and return its exit code."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(call["folder"])
    use_config(call["environment"].get("AZURE_CONFIG_DIR", "."))
    os.environ.update(call["environment"], AZURE_CONFIG_DIR=os.environ["AZURE_CONFIG_DIR"])
    sys.argv = ["az", *call["arguments"]]
    if PARSE_ONLY in os.environ:
        core.get_default_cli = cli_that_stops_after_parsing
    try:
        runpy.run_module("azure.cli", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - a command that breaks must not become a second server
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def answer(connection: socket.socket, seen: set[tuple[str, ...]]) -> None:
    """Run one caller's command in a process of its own."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    call = json.loads(connection.makefile().readline())
    command = tuple(word for word in call["arguments"][:4] if not word.startswith("-"))
    if command not in seen:
        seen.add(command)
        preload(call["arguments"])
    if os.fork() == 0:
        # azure-cli starts programs of its own and waits for them.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = run(call, streams)
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(f"{code}\n".encode())
        os._exit(0)
    for stream in streams:
        os.close(stream)


def main(path: str) -> None:
    """Serve until the standard input is closed."""
    resolve_localhost()
    use_config(str(Path(path).with_name("config")))
    for module in SIGN_IN:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    seen: set[tuple[str, ...]] = set()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)  # noqa: T201
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                answer(connection, seen)


if __name__ == "__main__":
    main(sys.argv[1])
