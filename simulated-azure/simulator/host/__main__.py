"""`python -m simulator.host --app DIR --port N`.

Runs a function app on this machine, as strictly as Flex Consumption.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys

from aiohttp import web
from azure.core.exceptions import AzureError

from simulator.host.app_folder import AppFolder
from simulator.host.command_line import Options, parse_args
from simulator.host.host import Host
from simulator.host.keys import Keys
from simulator.host.log_filter import TracesView
from simulator.host.scaling import ScaleController
from simulator.host.server import make_app
from simulator.host.settings import SettingError, load_local_settings
from simulator.host.site import Site
from simulator.host.storage import Storage
from simulator.host.supervisor import Supervisor
from simulator.host.worker import IndexingError, Worker
from simulator.host.worker_log import CONSOLE
from simulator.reach.names import resolve_localhost


async def describe(app: AppFolder) -> None:
    """Print the app's functions as the worker indexes them.

    Raises:
        IndexingError: the app cannot be loaded.

    """
    worker = await Worker.specialise(app, os.environ)
    print(
        json.dumps(
            [
                {"name": function.name, "bindings": function.bindings}
                for function in worker.functions
            ]
        )
    )
    worker.process.kill()
    await worker.process.gone()


async def run(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP is a deployment.

    Raises:
        AzureError: a listener was refused by its queue, which stops the whole host.

    """
    options, stopped = Options.of(args), asyncio.Event()
    async with Storage() as storage:

        async def make() -> Host:
            supervisor = Supervisor(
                AppFolder.at(args.app), options.limits, one_process=options.one_process
            )
            await supervisor.index()
            return Host(supervisor, storage, options.keys)

        site = Site(make, args.site_update, listens=not args.worker_only)
        if args.traces:
            view = TracesView(args.traces, lambda: site.host.supervisor.open_telemetry)
            logging.getLogger().addHandler(view)
        deployments = _on_signals(site, stopped)
        scale = ScaleController(site, storage, args.idle_seconds, args.wake_seconds)
        await _serve(args, site, options.keys, stopped, scale)
        await asyncio.gather(*deployments)


async def _serve(
    args: argparse.Namespace,
    site: Site,
    keys: Keys,
    stopped: asyncio.Event,
    scale: ScaleController,
) -> None:
    await site.start()
    # The access log would show keys.
    app = make_app(site, with_invoke=args.worker_only)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", args.port).start()
    _announce(site.host, keys, runner.addresses[0][1])
    scaling = asyncio.create_task(scale.run())
    try:
        await site.run_until(stopped)
    finally:
        scaling.cancel()
        await site.stop()
        await runner.cleanup()


def _on_signals(site: Site, stopped: asyncio.Event) -> set[asyncio.Task[None]]:
    loop, deployments = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: deployments.add(loop.create_task(site.deploy())))
    return deployments


def _announce(host: Host, keys: Keys, port: int) -> None:
    base = f"http://127.0.0.1:{port}"
    print(f"\nFunctions ({len(host.functions)}):\n")
    for route in host.routes:
        methods = ",".join(sorted(route.methods)) or "ANY"
        print(f"\t{route.function.name}: [{methods}] {base}/{route.template}")
    for function in host.functions:
        if function.kind != "httptrigger":
            print(f"\t{function.name}: {function.trigger['type']}")
    for name, reason in host.supervisor.refused.items():
        print(f"\t{name}: in error: {reason}")
    print(f"\nKey for functions (x-functions-key): {keys.default}\nMaster key: {keys.master}")
    print(f"Key of the Event Grid webhook (code=): {keys.system}")
    print(f"Host ready on {base}", flush=True)


def main() -> int:
    """Run the host; return the exit code.

    The code is 1 if host.json or a listener was refused, or if an app that is to be described
    cannot be loaded.
    """
    args = parse_args(sys.argv[1:], __doc__ or "")
    logging.basicConfig(
        level=args.log_level, format="[%(asctime)s] %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("azure").setLevel(logging.WARNING)
    if args.describe:
        # The output of an app that fails to load is part of the answer.
        logging.getLogger(CONSOLE).setLevel(logging.INFO)
    resolve_localhost()
    load_local_settings(args.app.resolve())
    try:
        asyncio.run(describe(AppFolder.at(args.app)) if args.describe else run(args))
    except IndexingError as error:
        print(f"The app cannot be loaded: {error}", file=sys.stderr)
        return 1
    except (AzureError, SettingError) as error:
        print(f"The host has stopped: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
