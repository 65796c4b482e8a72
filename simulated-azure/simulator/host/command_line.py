"""The options of `python -m simulator.host`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.host.keys import Keys
from simulator.host.limits import Limits
from simulator.host.site import UpdateStrategy

_DEFAULTS = Limits()


def parse_args(argv: Sequence[str], description: str) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m simulator.host", description=description)
    parser.add_argument(
        "--app", type=Path, default=Path(), help="folder of function_app.py and host.json"
    )
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one")
    parser.add_argument(
        "--describe", action="store_true", help="print the functions as JSON, and end"
    )
    parser.add_argument(
        "--worker-only",
        action="store_true",
        help="no listeners, but POST /invoke for somebody else's",
    )
    parser.add_argument("--log-level", default="INFO", help="of what goes to stderr")
    parser.add_argument(
        "--traces", type=Path, help="file for what Application Insights would get of the host's log"
    )
    _add_keys(parser)
    _add_strictness(parser)
    return parser.parse_args(argv)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    keys = parser.add_argument_group("keys", "random if left out; no two may be the same")
    keys.add_argument("--key", help="the host key `default`, which opens every function")
    keys.add_argument("--master-key", help="the key that opens /admin as well")
    keys.add_argument("--system-key", help="the key of the Event Grid extension's webhook")


def _add_strictness(parser: argparse.ArgumentParser) -> None:
    strict = parser.add_argument_group("strictness", "what is left out is as on Flex Consumption")
    strict.add_argument(
        "--processes", choices=("group", "one"), default="group", help="a worker a function group"
    )
    strict.add_argument(
        "--http-concurrency", type=int, default=_DEFAULTS.http_concurrency, metavar="N"
    )
    strict.add_argument("--http-seconds", type=float, default=_DEFAULTS.http_timeout, metavar="S")
    strict.add_argument(
        "--event-grid-key-seconds",
        type=float,
        default=_DEFAULTS.extension_keys,
        metavar="S",
        help="how long after its start a host refuses the webhook's key",
    )
    strict.add_argument(
        "--idle-seconds",
        type=float,
        metavar="S",
        help="scale to zero after so long; never if left out",
    )
    strict.add_argument(
        "--wake-seconds", type=float, default=2, metavar="S", help="until an instance comes back"
    )
    strict.add_argument(
        "--timer-lock-seconds",
        type=float,
        metavar="S",
        help="how long a host waits that did not get a timer's lock, in place of host.json's",
    )
    strict.add_argument("--stop-seconds", type=float, default=_DEFAULTS.stop_phase, metavar="S")
    strict.add_argument(
        "--site-update",
        type=UpdateStrategy,
        choices=list(UpdateStrategy),
        default=UpdateStrategy.RECREATE,
        help="what SIGHUP, a deployment, does to what runs",
    )


@dataclass(frozen=True)
class Options:
    """The parsed options, with their meaning."""

    limits: Limits
    keys: Keys
    one_process: bool

    @classmethod
    def of(cls, args: argparse.Namespace) -> Options:
        """Read the parsed options."""
        limits = Limits(
            http_concurrency=args.http_concurrency,
            http_timeout=args.http_seconds,
            stop_phase=args.stop_seconds,
            timer_lock=args.timer_lock_seconds,
            extension_keys=args.event_grid_key_seconds,
        )
        keys = {"default": args.key, "master": args.master_key, "system": args.system_key}
        return cls(
            limits,
            Keys(**{name: key for name, key in keys.items() if key}),
            args.processes == "one",
        )
