"""The deployment service of an app on Flex Consumption, and the app that it starts.

As Azure/azure-dev speaks it, cli/azd/pkg/azsdk/funcapp_host_client.go: an upload is answered 202
with the deployment's id, a look at it with its status.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
import zipfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.arm.deployments.refusals.app import check_upload
from simulator.arm.errors import ArmError
from simulator.arm.service import check_role
from simulator.host.app_folder import PACKAGED
from simulator.identity import Principal, bearer
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.account.world import Account
    from simulator.arm.web import Site
    from simulator.wire import Request

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"default": "function-key", "master": "master-key", "system": "event-grid-key"}
FAILED, SUCCEEDED = 3, 4
READY = re.compile(r"Host ready on (\S+)")


@dataclass
class Run:
    """A host that runs, or starts: `base` is its address once it answers."""

    process: subprocess.Popen[str]
    from_: datetime
    """When it answers at the earliest."""
    base: str = ""
    functions: tuple[str, ...] = ()

    def watch(self) -> None:
        """Read its output until it names its address."""
        for line in self.process.stdout or ():
            if match := READY.match(line):
                self.functions = _functions(match[1])
                self.base = match[1]
                return

    def end(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@dataclass
class Flex:
    """All apps of a world: their deployments, and what runs."""

    world: Account
    folder: Path
    """Where packages are unpacked."""
    start: timedelta = timedelta(minutes=2)
    """How long a host takes to start."""
    uploads: list[tuple[str, str]] = field(default_factory=list)
    """The site of each upload, and why its deployment failed; nothing if it succeeded."""
    runs: dict[str, Run] = field(default_factory=dict)

    def answers(self, host: str) -> bool:
        """Return whether the host is the deployment service of an app."""
        return any(site.service == host for site in self.world.web.sites.values() if site.service)

    def handle(self, request: Request) -> Response:
        """Take an upload, or say how one ended."""
        site = next(site for site in self.world.web.sites.values() if site.service == request.host)
        caller = self._caller(request)
        if caller is None:
            return Response(401)
        try:
            action = "Microsoft.Web/sites/publish/action"
            check_role(self.world, caller, action, site.resource_id)
        except ArmError:
            return Response(403)
        if (request.method, request.path) == ("POST", "/api/publish"):
            return self._publish(site, request.body)
        number = request.path.removeprefix("/api/deployments/deployment-")
        if request.method != "GET" or not number.isdigit() or int(number) > len(self.uploads):
            return Response(404)
        failure = self.uploads[int(number) - 1][1]
        status = {"status": FAILED if failure else SUCCEEDED, "status_text": failure}
        return json_response(200, status)

    def address(self, host: str) -> str | None:
        """Return where an app answers; empty while it does not, None for another host."""
        site = next((one for one in self.world.web.sites.values() if one.host == host), None)
        if site is None or not host:
            return None
        return self.runs[site.resource_id].base if site.keys else ""

    def look(self) -> None:
        """Let every host answer whose start is over."""
        for resource_id, run in self.runs.items():
            site = self.world.web.sites[resource_id.lower()]
            if run.base and not site.keys and self.world.now() >= run.from_:
                # From here on processes wait in real time.
                self.world.clock.catch_up()
                site.functions = dict.fromkeys(run.functions, True)
                site.keys = {
                    "masterKey": KEYS["master"],
                    "functionKeys": {"default": KEYS["default"]},
                    "systemKeys": {"eventgrid_extension": KEYS["system"]},
                }

    def starting(self) -> bool:
        """Return whether a host's process is on its way."""
        return any(not run.base and run.process.poll() is None for run in self.runs.values())

    def end(self) -> None:
        """Stop every app."""
        for run in self.runs.values():
            run.end()

    def _caller(self, request: Request) -> Principal | None:
        token = bearer(request.header("authorization")) or ""
        audience = f"https://{self.world.domains.arm}/"
        found = self.world.identities.examine(token, audience) if token else None
        return found if isinstance(found, Principal) else None

    def _publish(self, site: Site, package: bytes) -> Response:
        try:
            check_upload(self.world.tenant, self.world.tenant.read(site.resource_id))
        except ArmError as refusal:
            self.uploads.append((site.name, refusal.message))
        else:
            self.uploads.append((site.name, ""))
            self._run(site, package)
        return json_response(202, f"deployment-{len(self.uploads)}")

    def _run(self, site: Site, package: bytes) -> None:
        folder = self.folder / f"wwwroot-{len(self.uploads)}"
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            archive.extractall(folder)
        # The image has no package but the worker's own.
        (folder / PACKAGED).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "simulator.host", "--app", str(folder), "--port", "0"]
        command += ["--key", KEYS["default"], "--master-key", KEYS["master"]]
        command += ["--system-key", KEYS["system"], "--processes", "one", "--stop-seconds", "1"]
        with (folder.parent / "host.log").open("a") as log:
            process = subprocess.Popen(  # noqa: S603 - our own host
                command, cwd=ROOT, env=self._environment(site), stdout=subprocess.PIPE, stderr=log, text=True
            )  # fmt: skip
        if site.resource_id in self.runs:
            self.runs[site.resource_id].end()
            site.keys = {}
        run = self.runs[site.resource_id] = Run(process, self.world.now() + self.start)
        threading.Thread(target=run.watch, daemon=True).start()

    def _environment(self, site: Site) -> dict[str, str]:
        # Nothing may leave this machine.
        kept = {
            name: value for name, value in site.plain.items() if "APPLICATIONINSIGHTS" not in name
        }
        platform: dict[str, Any] = {"PATH": os.environ["PATH"], "WEBSITE_SITE_NAME": site.name}
        return {**platform, **kept, **self.world.environment}


def _functions(base: str) -> tuple[str, ...]:
    headers = {"x-functions-key": KEYS["master"]}
    request = urllib.request.Request(f"{base}/admin/functions", headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        return tuple(function["name"] for function in json.load(answer))
