"""What a caller sends, read with care: every problem of a request is told at once."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from api.errors import BadRequest, Flaw, PayloadTooLarge
from api.request_models import MAX_REASON, Body
from engine.errors import NotFound
from engine.secret import SECRET_NAME, SecretRef
from engine.state.policy import Policy

__all__ = ["KEY_PARAMETER", "MAX_REASON", "Request", "query_of", "stamp"]

MAX_BODY = 16 * 1024
"""Bytes of a request's body that are looked at."""
KEY_PARAMETER = "code"
"""The query's parameter in which the platform takes a function key; it is none of the API's own."""
CHUNKED = "transfer-encoding"
KEPT = ("reason", "document")
"""Members of bodies that are kept as they came, and shown on pages."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"
VAULT = re.compile(r"(https://)?[0-9a-z-]{1,24}([.][0-9a-z.:-]+)?/?", re.IGNORECASE)
"""A vault's short name, host or URL: nothing else that is sent in its place is shown."""


def query_of(url: str) -> dict[str, str]:
    """Return a URL's parameters, those without a value as well: `?dry_run` must not act.

    The host leaves those out of the parameters that it hands over, and hands the URL over whole
    (Azure/azure-functions-host, GrpcMessageConversionExtensions.ToRpcHttp). As in those, what is
    sent several times is joined by commas.
    """
    query: dict[str, list[str]] = {}
    for name, text in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        query.setdefault(name, []).append(text)
    return {name: ",".join(texts) for name, texts in query.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, free of the Functions runtime."""

    method: str
    url: str
    """Path of the request, for problems."""
    path: Mapping[str, str] = field(default_factory=dict)
    """The route's parameters."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""

    @classmethod
    def arrived(
        cls,
        method: str,
        route: str,
        path: Mapping[str, str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Request:
        """Take a request in as it arrived at a route, such as `secrets/{vault}/{name}`."""
        shortened = {name: text[:127] for name, text in path.items()}
        return cls(method, "/api/" + route.format_map(shortened), path, query, headers, body)

    def secret(self, policy: Policy) -> SecretRef:
        """Return the secret that the path names; NotFound where it can be none of ours."""
        name = self.path.get("name", "")
        vault = self.vault(policy, self.path.get("vault", ""))
        if not SECRET_NAME.fullmatch(name):
            raise NotFound(
                f"{name[:127]!r} is not a secret's name",
                fix="letters, digits and dashes, 127 at most",
            )
        return SecretRef(vault, name)

    @staticmethod
    def vault(policy: Policy, text: str) -> str:
        """Return the URL of a served vault by its short name, host or URL; raises NotFound.

        The text is compared with what is served, and never called.
        """
        meant = unquote(text).strip().lower().removeprefix("https://").removesuffix("/")
        for url in policy.scopes:
            if meant in (SecretRef(url, "").vault_name, urlsplit(url).netloc):
                return url
        short = ", ".join(SecretRef(url, "").vault_name for url in policy.scopes)
        named = f"vault {text[:64]!r}" if VAULT.fullmatch(meant) else "such a vault"
        raise NotFound(f"{named} is not served here", fix=f"name a vault of REKEY_VAULTS: {short}")

    def known(self, parameters: Iterable[str], *, confidential: bool = False) -> None:
        """Refuse every parameter but these: a mistyped `dry_run` that is passed over would act.

        Of a confidential call none is shown: what is sent there may be what leaked.
        """
        names = tuple(parameters)
        unknown = [name for name in self.query if name not in names and name != KEY_PARAMETER]
        if unknown and confidential:
            fix = "leave out all parameters: what is reported goes into the body alone"
            raise BadRequest("a parameter is unknown", fix=fix)
        for name, text in self.query.items():
            if _is_half(name + text):
                raise self._unreadable(name, "send text in UTF-8")
        if not unknown:
            return
        meant = [near for name in unknown if (near := _near(name, names))]
        fix = f"did you mean {', '.join(meant)}? " if meant else ""
        raise BadRequest(
            "; ".join(f"the parameter {name[:40]!r} is unknown" for name in unknown[:10]),
            fix=fix + (f"it takes {', '.join(names)}" if names else "it takes no parameters"),
            flaws=[Flaw("it is unknown", parameter=name[:127]) for name in unknown],
        )

    def whole(self) -> None:
        """Refuse a body that the host has kept back: what it says would be taken for nothing.

        The host hands over a body only where Content-Length says how long it is
        (Azure/azure-functions-host, GrpcMessageConversionExtensions.ToRpcHttp).
        """
        if CHUNKED in self.headers and not self.body:
            what = "the body has no length"
            flaws = [Flaw(what, header=CHUNKED)]
            raise BadRequest(what, fix="send Content-Length, not chunks", flaws=flaws)

    def flag(self, name: str) -> bool:
        """Read `?name=true`. Without a value it is refused: who means true must not get false."""
        text = self.query.get(name, "false").lower()
        if text not in ("true", "false"):
            raise self._unreadable(name, f"send {name}=true, or leave it out")
        return text == "true"

    def number(self, name: str, default: int, most: int, least: int = 0) -> int:
        """Read a whole number, `least` to `most`."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
            raise self._unreadable(name, f"send a whole number, {least} to {most}")
        return int(text)

    def moment(self, name: str) -> datetime:
        """Read a time that `stamp` wrote."""
        text = self.query.get(name, "")
        try:
            return datetime.strptime(text, STAMP).replace(tzinfo=UTC)
        except ValueError:
            raise self._unreadable(
                name, "follow the Location header of the 202 as it came"
            ) from None

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Read one of some words; empty where it is not sent."""
        text = self.query.get(name, "").strip().lower()
        if text and text not in allowed:
            raise self._unreadable(name, f"send one of {', '.join(allowed)}")
        return text

    def kind(self, kinds: Iterable[str]) -> str:
        """Read a kind of credential that this app knows; empty where none is sent.

        Raises NotFound: the document cannot list them, since an app may have kinds of its own.
        """
        text = self.query.get("rotator", "").strip().lower()
        if text and text not in (known := tuple(kinds)):
            raise NotFound(
                f"there is no rotator {text[:40]!r}", fix=f"send one of {', '.join(known)}"
            )
        return text

    def _unreadable(self, name: str, fix: str) -> BadRequest:
        what = f"{name} is {self.query.get(name, '')[:40]!r}"
        return BadRequest(what, fix=fix, flaws=[Flaw(what, parameter=name)])

    def read[B: Body](self, shape: type[B], most: int = MAX_BODY) -> B:
        """Read the body, of so many bytes at most; raises PayloadTooLarge or BadRequest."""
        fix = f"send {shown(shape)}"
        if len(self.body) > most:
            raise PayloadTooLarge(f"the body is longer than {most} bytes", fix=fix)
        try:
            data, twice = _loaded(self.body) if self.body.strip() else ({}, [])
        except (ValueError, RecursionError):
            raise BadRequest("the body is not JSON", fix=fix) from None
        if not isinstance(data, dict):
            raise BadRequest("the body is not a JSON object", fix=fix)
        if flaws := [*twice, *_flaws(data, shape)]:
            raise BadRequest("; ".join(flaw.detail for flaw in flaws[:10]), fix=fix, flaws=flaws)
        cut = {"reason": data["reason"][:MAX_REASON]} if "reason" in data else {}
        return msgspec.convert({**data, **cut}, shape)


def _loaded(body: bytes) -> tuple[Any, list[Flaw]]:
    """Read JSON, with each key that stands twice in it: which of the two is meant?"""
    twice: list[Flaw] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(
            Flaw(f"{key[:40]!r} stands twice", pointer=_pointer(key))
            for key, count in Counter(key for key, _ in pairs).items()
            if count > 1
        )
        return dict(pairs)

    return json.loads(body, object_pairs_hook=unique), twice


def _flaws(data: Mapping[str, Any], shape: type[Body]) -> Iterable[Flaw]:
    """Return all that is wrong; msgspec alone would stop at the first."""
    kinds = _kinds(shape)
    for key in data:
        if key not in kinds:
            yield Flaw(f"{key[:40]!r} is unknown", pointer=_pointer(key))
    for key, kind in kinds.items():
        if key in data and type(data[key]) is not kind:
            yield Flaw(f"{key} is not a {kind.__name__}", pointer=f"#/{key}")
        elif key in KEPT and _is_half(data.get(key, "")):
            yield Flaw(f"{key} holds half of a character: send text in UTF-8", pointer=f"#/{key}")
    for key in shape.__struct_fields__:
        if key not in data and key in required(shape):
            yield Flaw(f"{key} is missing", pointer=f"#/{key}")


def _is_half(text: str) -> bool:
    """Return whether a text holds half of a surrogate pair: nothing that holds it can be sent."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


@cache
def _kinds(shape: type[Body]) -> dict[str, type]:
    """Return the type of each member, without its description."""
    return {
        field.name: (*get_args(field.type), field.type)[0]
        for field in msgspec.structs.fields(shape)
    }


@cache
def required(shape: type[Body]) -> tuple[str, ...]:
    """Return the members that a body must have."""
    return tuple(field.name for field in msgspec.structs.fields(shape) if field.required)


def _pointer(key: str) -> str:
    """Write a JSON pointer to a member: https://datatracker.ietf.org/doc/html/rfc6901#section-3."""
    return "#/" + key[:40].replace("~", "~0").replace("/", "~1")


def _near(name: str, names: tuple[str, ...]) -> str:
    """Return which of these names was meant; empty where none is near."""
    plain = {known.replace("_", ""): known for known in names}
    letters = re.sub(r"[^a-z]", "", name[:40].lower())
    return next((plain[near] for near in get_close_matches(letters, plain, 1, 0.75)), "")


def stamp(moment: datetime) -> str:
    """Write a time in whole seconds, for a URL."""
    return moment.strftime(STAMP)


def shown(shape: type[Body]) -> str:
    """Show a body's shape in an error's fix."""
    words: dict[type, str] = {str: "text"}
    members = ", ".join(
        f'"{key}": {words.get(kind, kind.__name__)}' for key, kind in _kinds(shape).items()
    )
    return f"{{{members}}}" if required(shape) else f"nothing, or {{{members}}}"
