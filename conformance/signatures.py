"""The four things that a receiver must check, tried with requests that it must refuse.

One rotation is played, so that the kit has every request as it went over the wire. Each is sent
again, changed as somebody could who recorded it but has no key. The rules are those of the section
Signatures in docs/write-a-rotator.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cloud.rest.signing import SigningKey, digest, signed
from conformance.contract import expect, is_single
from conformance.faults import Broken
from conformance.scene import Begin, Scene
from engine.contract import Tidy, Undo
from engine.secret import Sensitive

REFUSED = 401
AGO = timedelta(minutes=10)
"""A time that no difference of clocks explains: a signature counts for a minute."""
YOUNG = timedelta(seconds=30)
"""A time for which a signature certainly counts."""


@dataclass(frozen=True)
class Sent:
    """One request as it went over the wire."""

    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, request: Any) -> Sent:
        """Return what a request of azure-core holds. Whoever sends it again counts its bytes."""
        headers = dict(request.headers)
        headers.pop("Content-Length", None)
        return cls(request.url, headers, request.content)

    @property
    def call(self) -> str:
        """The name of the call."""
        return self.url.rpartition("/")[2]

    def signed(self, key: SigningKey, ago: timedelta = timedelta(), url: str = "") -> Sent:
        """Return it with another signature of now, or of some time ago, or for another address."""
        now = datetime.now(UTC) - ago
        made = signed("POST", url or self.url, self.body, key, now, secrets.token_urlsafe(18))
        return Sent(self.url, {**self.headers, **made}, self.body)

    def but(self, body: bytes | None = None, **headers: str) -> Sent:
        """Return it with other headers, or another body, under the same signature."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name not in changed}
        headers = {name: value for name, value in (kept | changed).items() if value}
        return Sent(self.url, headers, self.body if body is None else body)


class Wire(Protocol):
    """What stands between the kit and an endpoint."""

    sent: list[Sent]
    """Every request so far."""

    @property
    def key(self) -> SigningKey:
        """The key that the endpoint knows."""
        ...

    async def status(self, request: Sent) -> int:
        """Send a request as it is, and return the status of its answer."""
        ...


type Forgery = tuple[str, Sent]
"""What was done to a request, and the request."""


@dataclass(frozen=True)
class Signatures:
    """The rules of signatures as checks, each with a scene of its own."""

    wire: Wire

    async def a_body_other_than_the_signed_one_is_refused(self, begin: Begin) -> None:
        """Rule 1: the digest fits the body."""
        await self._refused(begin, 1, self._other_bodies)

    async def what_no_known_key_signed_is_refused(self, begin: Begin) -> None:
        """Rule 2: the signature fits, with the key that `keyid` names."""
        await self._refused(begin, 2, self._other_signatures)

    async def a_signature_of_another_time_is_refused(self, begin: Begin) -> None:
        """Rule 3: now is between `created` and `expires`, give or take the clocks."""
        await self._refused(begin, 3, self._other_times)

    async def a_request_that_was_seen_before_is_refused(self, begin: Begin) -> None:
        """Rule 4: the nonce was not seen before."""
        await self._refused(begin, 4, lambda sent: [("that it has seen before", sent)])

    def _other_bodies(self, sent: Sent) -> Iterator[Forgery]:
        fresh = sent.signed(self.wire.key)
        yield "with another body than its Content-Digest says", fresh.but(sent.body + b" ")

    def _other_signatures(self, sent: Sent) -> Iterator[Forgery]:
        key, fresh = self.wire.key, sent.signed(self.wire.key)
        other = Sensitive(secrets.token_urlsafe(48))
        yield "without a signature", fresh.but(Signature="", Signature_Input="")
        yield "with an empty signature", fresh.but(Signature="rekey=::")
        yield "signed with another key", sent.signed(SigningKey(key.id, other))
        yield "whose keyid names no key", sent.signed(SigningKey("no-such-key", key.key))
        longer = sent.body + b" "
        changed = fresh.but(longer, Content_Digest=digest(longer))
        yield "whose body and digest were changed after they were signed", changed
        params = fresh.headers["Signature-Input"]
        nonce = params.partition('nonce="')[2].partition('"')[0]
        renewed = params.replace(nonce, secrets.token_urlsafe(18))
        yield "whose nonce was changed after it was signed", fresh.but(Signature_Input=renewed)
        elsewhere = sent.url.removesuffix(sent.call) + "another-call"
        yield "signed for another path", sent.signed(key, url=elsewhere)
        path = sent.url.split("/", 3)[3]
        host = f"https://another-host.example/{path}"
        yield "signed for another host", sent.signed(key, url=host)

    def _other_times(self, sent: Sent) -> Iterator[Forgery]:
        yield "signed ten minutes ago", sent.signed(self.wire.key, AGO)
        yield "signed ten minutes from now", sent.signed(self.wire.key, -AGO)

    async def _refused(self, begin: Begin, rule: int, forged: Any) -> None:
        scene = await begin()
        requests = await self._recorded(scene)
        before = await scene.live()
        try:
            for sent in requests:
                await self._refuses(rule, sent.call, forged(sent))
            expect(await scene.live() == before, f"{_rule(rule)}: what it refuses takes effect")
            await self._takes(requests)
        finally:
            await self._set_back(scene)

    async def _refuses(self, rule: int, call: str, forgeries: Iterable[Forgery]) -> None:
        for what, request in forgeries:
            status = await self.wire.status(request)
            said = f"{_rule(rule)}: {call} answers {status} to a request {what}, and not {REFUSED}"
            expect(status == REFUSED, said)

    async def _takes(self, requests: Iterable[Sent]) -> None:
        """See that it refuses no retry: the same request, signed anew, half a minute ago."""
        for sent in requests:
            if sent.call == "verify":
                status = await self.wire.status(sent.signed(self.wire.key, YOUNG))
                what = "refuses a request signed half a minute ago, which still counts"
                expect(status == 200, f"{_rule(3)}: verify {what} ({status})")  # noqa: PLR2004

    async def _recorded(self, scene: Scene) -> list[Sent]:
        """Rotate, take it back, and rotate again; returns the latest request of each call."""
        rotator, begun = scene.rotator(), len(self.wire.sent)
        issued = await rotator.issue(scene.job())
        await rotator.accepts(scene.source, scene.held_id, Sensitive(scene.held))
        if not is_single(scene, rotator):
            await rotator.retire(
                scene.source, issued.credential_id, Sensitive(scene.held), scene.held_id
            )
            if isinstance(rotator, Tidy):
                await rotator.tidy(scene.source, scene.operation, keep=None)
            await rotator.issue(scene.job())
        await self._set_back(scene)
        sent = self.wire.sent[begun:]
        if not sent:
            raise Broken("no request went over the wire")
        return list({each.call: each for each in sent}.values())

    @staticmethod
    async def _set_back(scene: Scene) -> None:
        rotator: Any = scene.rotator()
        if isinstance(rotator, Undo):
            await rotator.undo(scene.job(), Sensitive(scene.held))

    @property
    def checks(self) -> tuple[Any, ...]:
        """All of them."""
        return (
            self.a_body_other_than_the_signed_one_is_refused,
            self.what_no_known_key_signed_is_refused,
            self.a_signature_of_another_time_is_refused,
            self.a_request_that_was_seen_before_is_refused,
        )


def _rule(number: int) -> str:
    return f"rule {number} of Signatures in docs/write-a-rotator.md"
