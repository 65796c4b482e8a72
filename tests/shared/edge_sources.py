"""What stands behind a secret of a simulated Azure, as a history sees it: see docs/history.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl

from simulator.entra.directory import Application
from simulator.sql.servers import Account as Login
from simulator.sql.servers import SqlServer
from simulator.storage.accounts import StorageAccount
from simulator.storage.sas import signed_by
from simulator.storage.sharedkey import signature, string_to_sign
from simulator.wire import Request, Response

REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
LOGIN_FAILED = (18456, 18470)
"""SQL's numbers for a wrong password, and for a login that is off: see simulator.sql.errors."""
type Ids = Mapping[str, str]
"""Every value that was ever accepted, with its id."""


class Source(Protocol):
    """A source of what a secret of the vault holds."""

    @property
    def holds(self) -> str:
        """How many credentials it has places for."""
        ...

    @property
    def name(self) -> str: ...

    def values(self) -> set[str]:
        """Return the values that it accepts now."""
        ...

    def is_asked(self, request: Request) -> bool:
        """Return whether a request is to it, or to Resource Manager about it."""
        ...

    def asks(self, request: Request) -> str:
        """Return what is asked of it; what begins with set, add or remove is a change."""
        ...

    def held(self, text: str, ids: Ids) -> str | None:
        """Return the id of the credential in what a version holds."""
        ...

    def shown(self, request: Request, ids: Ids) -> str | None:
        """Return the id that a request shows; empty where it is refused, None where it needs none."""
        ...

    def accepts(self, response: Response) -> bool | None:
        """Return what it says of a credential; None where it says nothing of that."""
        ...


class Proven:
    """What the sources share that answer with a status."""

    @staticmethod
    def accepts(response: Response) -> bool | None:
        return response.status < HTTPStatus.BAD_REQUEST or (
            False if response.status in REFUSED else None
        )


class Holder(Proven):
    """What the sources share whose credentials are values."""

    @staticmethod
    def held(text: str, ids: Ids) -> str | None:
        """Return the id of the value in a text."""
        return next((it for value, it in ids.items() if value in text), None)


@dataclass(frozen=True)
class Account(Holder):
    """A storage account as a source."""

    account: StorageAccount
    holds: ClassVar = "two"

    @property
    def name(self) -> str:
        """Its id in lower case."""
        return self.account.resource_id.lower()

    def values(self) -> set[str]:
        """Return the keys that it accepts now."""
        return {key.value for key in self.account.accepted_keys()}

    def is_asked(self, request: Request) -> bool:
        ours = request.host.partition(".")[0] == self.account.name
        return ours or request.path.lower().startswith(f"{self.name}/")

    @staticmethod
    def asks(request: Request) -> str:
        """Return which key is set, or what is read."""
        verb = request.path.rpartition("/")[2]
        if verb.lower() == "regeneratekey":
            return f"set {json.loads(request.body)['keyName']}"
        return "prove" if request.method == "GET" else verb

    def shown(self, request: Request, ids: Ids) -> str | None:
        """Return the key that has signed a request."""
        name, signed = self.account.name, request.header("authorization")
        if request.host.partition(".")[0] != name:
            return None
        keys, text = self.values(), string_to_sign(request, name)
        fits = (it for it in keys if signed == f"SharedKey {name}:{signature(it, text)}")
        return ids[key] if (key := next(fits, "")) else ""


@dataclass(frozen=True)
class Signatures(Proven):
    """What the keys of an account sign for one extent: `container/uploads/rl`."""

    account: Account
    extent: str
    seconds: Callable[[datetime], float]
    """Turns a time of day into seconds since the beginning."""
    holds: ClassVar = "signatures"

    @property
    def name(self) -> str:
        return f"{self.account.name}/sas/{self.extent}"

    @staticmethod
    def values() -> set[str]:
        """Return nothing: what is accepted follows from the account's keys."""
        return set()

    def is_asked(self, request: Request) -> bool:
        """Return whether a request to the account shows a signature."""
        return "sig" in request.query and self.account.is_asked(request)

    @staticmethod
    def asks(_: Request) -> str:
        return "prove"

    def held(self, text: str, ids: Ids) -> str | None:
        """Return the key that has signed, with the second in which that ends."""
        fields = dict(parse_qsl(text.rpartition("?")[2], keep_blank_values=True))
        level, _, place = self.extent.partition("/")
        path = place.rpartition("/")[0] if level != "account" else ""
        keys = [value for value in ids if value.endswith("==")]
        key = signed_by(self.account.account.name, "blob", path, fields, keys)
        ends = datetime.fromisoformat(fields["se"]) if "se" in fields else None
        return f"{ids[key]}s{int(self.seconds(ends))}" if key and ends else None

    def shown(self, request: Request, ids: Ids) -> str | None:
        return self.held(request.url, ids) or ""


@dataclass(frozen=True)
class Passwords(Holder):
    """An Entra application as a source of secrets."""

    application: Application
    now: Callable[[], datetime]
    holds: ClassVar = "any number"

    @property
    def name(self) -> str:
        """Its id."""
        return self.application.app_id

    def values(self) -> set[str]:
        """Return the secrets that it holds now."""
        return {it.secret for it in self.application.passwords(self.now())}

    def is_asked(self, request: Request) -> bool:
        """Return whether Graph is asked about it, or it signs in."""
        return self.name in request.path or self.name in _form(request).get("client_id", "")

    @staticmethod
    def asks(request: Request) -> str:
        """Return which change Graph is asked for, or what is read."""
        verb = request.path.rpartition("/")[2]
        named = {"addPassword": "add secret", "removePassword": "remove secret", "token": "prove"}
        return named.get(verb, "list secrets")

    def shown(self, request: Request, ids: Ids) -> str | None:
        """Return the secret with which it signs in."""
        secret = _form(request).get("client_secret")
        return None if secret is None else ids.get(secret, "") if secret in self.values() else ""


@dataclass(frozen=True)
class Logins(Holder):
    """A SQL server's administrator, or a login of it, or two that alternate."""

    server: SqlServer
    logins: Sequence[Login]
    now: Callable[[], datetime]
    path: str = ""

    @property
    def holds(self) -> str:
        """One password each."""
        return "two" if len(self.logins) > 1 else "one"

    @property
    def name(self) -> str:
        return f"{self.server.resource_id.lower()}{self.path}"

    def values(self) -> set[str]:
        """Return the passwords that it accepts now."""
        return {it.password(self.now()) for it in self.logins}

    def is_asked(self, request: Request) -> bool:
        """Return whether somebody signs in, runs a statement, or has Resource Manager change it."""
        ours = self.server.resource_id.lower()
        return request.host == self.server.fqdn or request.path.lower().startswith(ours)

    def asks(self, request: Request) -> str:
        """Return whose password is set, or what is read."""
        body: Any = json.loads(request.body or b"{}")
        text = body.get("statement", "")
        if request.method == "PATCH":
            return "set admin" if "properties" in body else "look"
        if request.method == "EXECUTE" and "PASSWORD" in text:
            return next((f"set {it.name}" for it in self.logins if it.name in text), "set")
        return "prove" if "password" in body else "look"

    def shown(self, request: Request, ids: Ids) -> str | None:
        """Return the password with which somebody signs in."""
        body: Any = json.loads(request.body or b"{}")
        if "password" not in body:
            return None
        named = (it for it in self.logins if it.name == body["user"])
        fits = any(it.accepts(body["password"], self.now()) for it in named)
        return ids[body["password"]] if fits else ""

    @staticmethod
    def accepts(response: Response) -> bool | None:
        """Return whether a password was accepted; without a user in the database it may be."""
        if response.status not in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST):
            return None
        answer: Any = response.json()
        refused = answer.get("refused")
        return refused is None or refused["number"] not in LOGIN_FAILED


def logins(server: SqlServer, now: Callable[[], datetime]) -> Logins:
    """Return the logins that a server has, in the order of their names, else its administrator."""
    known = sorted(server.logins.values(), key=lambda it: it.name)
    path = f"/logins/{'+'.join(it.name for it in known)}" if known else ""
    return Logins(server, known or [server.administrator], now, path)


def _form(request: Request) -> dict[str, str]:
    is_sign_in = request.method == "POST" and request.path.endswith("/token")
    return dict(parse_qsl(request.body.decode())) if is_sign_in else {}
