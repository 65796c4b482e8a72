"""Start a worker: `python -I -S worker.py --channel FD --uvloop FOLDER --loopback FILE`.

As in the real start_worker.py: the loop is uvloop's if that can be imported, and it lives as long
as the process.
"""

import argparse
import asyncio
import runpy
import socket
import sys
from collections.abc import Callable

from .dispatcher import Dispatcher


def parse_args() -> argparse.Namespace:
    """Read the host's arguments."""
    parser = argparse.ArgumentParser(prog="proxy_worker")
    parser.add_argument(
        "--channel", type=int, required=True, help="the descriptor of the socket to the host"
    )
    parser.add_argument(
        "--uvloop",
        required=True,
        help="the folder that holds uvloop, which Azure's image brings along",
    )
    parser.add_argument(
        "--loopback", required=True, help="the file that lets names under .localhost resolve"
    )
    return parser.parse_args()


def loop_factory(folder: str, loopback: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the event loop's factory, and leave sys.path unchanged."""
    names = runpy.run_path(loopback)
    names["resolve_localhost"]()
    sys.path.append(folder)
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    finally:
        sys.path.remove(folder)
    factory: Callable[[], asyncio.AbstractEventLoop] = names["resolving_loop"](uvloop.Loop)
    return factory


def main() -> None:
    """Serve the host until it disconnects."""
    args = parse_args()
    with asyncio.Runner(loop_factory=loop_factory(args.uvloop, args.loopback)) as runner:
        runner.run(Dispatcher(socket.socket(fileno=args.channel)).dispatch_forever())


main()
