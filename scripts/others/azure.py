"""A simulated Azure that writes down what one rotator asks of it, and strikes at its calls.

A storage account is the source. An App Service application uses one of its keys, in a setting: that
is the secret. Its versions are the values that the setting has had.
"""

from __future__ import annotations

import os
import random
import re
import signal
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from scripts.others.scene import Died, Lost, Mode, Scene
from simulator.azure import GROUP, SUBSCRIPTION, Azure
from simulator.clock import EPOCH
from simulator.identity import HOME_TENANT
from simulator.wire import Request, Response, json_response
from simulator.world import Domains

SETTING = "STORAGE_KEY"
SITE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Web/sites/shop"
CALLS = (
    ("POST", r"/listKeys$", "source", "list keys"),
    ("POST", r"/regenerateKey$", "source", "replace a key"),
    ("POST", r"/config/appsettings/list$", "vault", "read"),
    ("PUT", r"/config/appsettings$", "vault", "write"),
    ("GET", r"/sites$", "vault", "list apps"),
    ("GET", r"/storageAccounts$|/Microsoft.CognitiveServices/accounts$", "source", "list accounts"),
)
"""Method and path of each call that is foreseen, whom it asks, and for what."""
HUNG_UP = json_response(502, {"error": {"code": "NoSuchHost"}})
"""The server ends a connection without an answer."""
NO_LIMIT = 10**9


class Watched(Azure):
    """The public cloud, for one rotator after the other: `begin` starts a history."""

    def __init__(self) -> None:
        self.scene = Scene(set)
        self.process: Future[int] = Future()
        """The process that asks; it is killed where a fault says so."""
        super().__init__(self._time, Domains(), random.Random(1).randbytes)  # noqa: S311
        self.arm.limits = dict.fromkeys(self.arm.limits, NO_LIMIT)
        self.account = self.add_account("shopdata")
        self.site = self.web.add(SITE)
        self._published: list[str] = []
        self.unforeseen: list[str] = []
        """Calls that no history has a word for."""

    def _time(self) -> datetime:
        return EPOCH + timedelta(seconds=self.scene.now)

    def sign_in(self) -> Mapping[str, str]:
        """Return the variables with which an application signs in that may do everything here."""
        application = self.add_application("rotator")
        assert application.principal  # noqa: S101 - it was added with one
        self.grant(application.principal, ["*"], f"/subscriptions/{SUBSCRIPTION}")
        return {
            "AZURE_TENANT_ID": HOME_TENANT,
            "AZURE_CLIENT_ID": application.app_id,
            "AZURE_CLIENT_SECRET": self.directory.add_password(application).secret,
        }

    def begin(self, run: str, plan: Mapping[int, Mode]) -> Scene:
        """Begin a history in which the application uses the account's first key."""
        key = self.account.keys["key1"].value
        self.site.set({SETTING: key})
        self._published = [key]
        self.scene = Scene(self._accepted, plan, "/storage/shopdata", "apps/shop")
        self.scene.begin(run, "two", {"v1": key}, 0)
        return self.scene

    @property
    def versions(self) -> int:
        """How many values the setting has had."""
        return len(self._published)

    async def answer(self, request: Request) -> Response:
        """Answer one request that came over the network; signing in is not written down."""
        if request.host != self.domains.arm:
            return self.handle(request)
        to, what = _named(request)
        if not to:
            self.unforeseen.append(f"{request.method} {request.path}")
        where = {"secret": self.scene.secret} if to == "vault" else {"source": self.scene.source}
        answered = partial(self._answered, what)
        try:
            response: Response = self.scene.call(
                to, what, lambda: self.handle(request), self._changes, answered, **where
            )
        except Died:
            os.kill(self.process.result(), signal.SIGKILL)
        except Lost:
            pass
        else:
            return response
        return HUNG_UP

    def _accepted(self) -> set[str]:
        return {key.value for key in self.account.keys.values()}

    def _changes(self) -> list[dict[str, Any]]:
        value = self.site.plain[SETTING]
        if value == self._published[-1]:
            return self.scene.differs()
        self._published.append(value)
        return [*self.scene.differs(), self.scene.version(f"v{self.versions}", value)]

    def _answered(self, what: str, response: Response) -> Mapping[str, Any]:
        if response.status >= HTTPStatus.BAD_REQUEST:
            return {"said": f"refused with {response.status}"}
        return {"version": f"v{self.versions}"} if what == "read" else {}


def _named(request: Request) -> tuple[str, str]:
    """Return whom a request asks, and for what."""
    named = (
        (to, what)
        for method, path, to, what in CALLS
        if request.method == method and re.search(path, request.path, re.IGNORECASE)
    )
    return next(named, ("", ""))
