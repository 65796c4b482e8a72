"""`python -m simulator.host --app DIR --port N`: runs a function app on this machine, like `func start`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from simulator.host.host import Host
from simulator.host.keys import Keys
from simulator.host.routes import Route
from simulator.host.server import make_app
from simulator.host.settings import HostFile
from simulator.host.storage import Storage
from simulator.host.web import HttpTriggers
from simulator.host.worker import IndexingError, Worker
from simulator.reach.names import resolve_localhost


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m simulator.host", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one")
    parser.add_argument("--key", help="the host key `default`, which opens every function; random if left out")
    parser.add_argument("--master-key", help="the key that opens /admin as well; random if left out")
    parser.add_argument("--worker-only", action="store_true", help="no listeners, but POST /invoke for somebody else's")
    parser.add_argument("--describe", action="store_true", help="print the functions as JSON, and end")
    parser.add_argument("--log-level", default="INFO", help="of what goes to stderr")
    return parser.parse_args(argv)


async def run(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT, then let what runs finish.

    Raises:
        IndexingError: the app cannot be loaded.

    """
    worker = await Worker.start(args.app.resolve())
    if args.describe:
        print(json.dumps([{"name": function.name, "bindings": function.bindings} for function in worker.functions]))
        return
    stopped = _stop_event()
    async with Storage() as storage:
        await _serve(args, Host(worker, storage, HostFile.read(worker.app_dir)), stopped)


async def _serve(args: argparse.Namespace, host: Host, stopped: asyncio.Event) -> None:
    keys = _keys(args)
    runner = web.AppRunner(make_app(host, keys, with_invoke=args.worker_only), access_log=None)  # it would show keys
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", args.port).start()
    if not args.worker_only:
        host.start()
    _announce(host, keys, runner.addresses[0][1])
    await host.run_until(stopped)
    await runner.cleanup()
    await host.stop()


def _stop_event() -> asyncio.Event:
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    return stopped


def _keys(args: argparse.Namespace) -> Keys:
    given = {"default": args.key, "master": args.master_key, "system": args.key}
    return Keys(**{name: value for name, value in given.items() if value})


def _announce(host: Host, keys: Keys, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    print("\nFunctions:\n")
    for route in HttpTriggers(host, keys).routes:
        print(f"\t{route.function.name}: [{_methods(route)}] {base}/{route.template}")
    for function in host.worker.functions:
        if function.kind != "httptrigger":
            print(f"\t{function.name}: {function.trigger['type']}")
    print(f"\nKey for functions (x-functions-key): {keys.default}\nMaster key: {keys.master}")
    print(f"Host ready on {base}", flush=True)


def _methods(route: Route) -> str:
    return ",".join(sorted(route.methods)) or "ANY"


def main() -> int:
    """Run the host; 1 when the app cannot be loaded."""
    args = parse_args(sys.argv[1:])
    logging.basicConfig(level=args.log_level, format="[%(asctime)s] %(message)s", stream=sys.stderr)
    logging.getLogger("azure").setLevel(logging.WARNING)
    resolve_localhost()
    try:
        asyncio.run(run(args))
    except IndexingError as error:
        print(f"The app cannot be loaded: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
