"""What stands around a plug-in: the engine sees what the contract says, and nothing else.

A plug-in may raise anything, answer nonsense, or put a credential into the text of an error. None
of that may reach a log, a tag or another secret. Errors keep no cause, since a cause holds what the
plug-in had at hand. They keep no text of the plug-in's where it may have seen a value that nobody
else knows. Code that blocks the event loop or writes to a log by itself is beyond any sandbox: the
conformance kit finds both.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from engine.contract import (
    Forewarn,
    Issued,
    Job,
    Lingering,
    Lists,
    Opens,
    Preflight,
    Readable,
    Recognise,
    Recognised,
    Rotator,
    Tidy,
    Undo,
)
from engine.errors import NeedsHuman, PermanentError, RekeyError, TransientError
from engine.secret import Sensitive
from engine.state.policy import SCOPE
from rotators.own.cleaning import clean, hidden

CORRECT = "correct the plug-in: rekey conformance shows what it gets wrong"
MOST_ID = 150
"""Characters of a credential's id, which must fit into a tag together with a version and a time."""
ID = re.compile(r"[!-~]([ -~]*[!-~])?")
"""The characters of a credential's id: printable ASCII, without a blank at either end."""
WORD, REST = 8, 16
"""From how many characters on an id and a value stand in each other by no accident, and how many
more nobody guesses."""
MOST_VALUE = 25_000
"""Bytes of a value; Key Vault takes 25 KB:
https://learn.microsoft.com/azure/key-vault/secrets/about-secrets."""
PLACEHOLDER = re.compile(r"[a-z][a-z0-9_]*")
UNSEEN = frozenset({"issue", "retire", "tidy", "undo", "read", "lists", "recognise"})
"""What may make a credential, or read one, that only the plug-in has seen."""
REQUIRED = ("issue", "verify", "accepts", "retire")
SECONDS, PROOF_SECONDS = 30.0, 240.0
"""The longest that a call may take, and that a proof may, which waits until all is known
everywhere. The engine itself ends a changing call earlier, at 20 s."""


class Sandboxed:
    """The required part of the contract, around one plug-in."""

    kind: ClassVar[str]
    value_field: ClassVar[str]
    template_fields: ClassVar[frozenset[str]]
    plugin: ClassVar[type[Rotator]]

    def __init__(self, rotator: Any) -> None:
        self._rotator = rotator

    @classmethod
    def canonical(cls, address: str, tags: Mapping[str, str]) -> str | None:
        """Return the source's id; None unless it is one that a scope can name."""
        try:
            source = cls.plugin.canonical(address, dict(tags))
            cls.plugin.single_slot(dict(tags))
        except BaseException:  # noqa: BLE001 - a plug-in may raise anything
            return None
        # Such a segment may lead out of the scope that the source seems to be in.
        if not isinstance(source, str) or {".", ".."} & {*source.split("/")}:
            return None
        return source if source == source.lower() and SCOPE.fullmatch(source) else None

    @classmethod
    def single_slot(cls, tags: Mapping[str, str]) -> bool:
        """Return what the plug-in says; it said something for these tags when it named a source."""
        try:
            return bool(cls.plugin.single_slot(dict(tags)))
        except BaseException:  # noqa: BLE001 - a plug-in may raise anything
            return False

    async def issue(self, job: Job) -> Issued:
        """Have a credential made; raises PermanentError for an answer that is none."""
        issued = await self._run("issue", job.source, (job.held,), job)
        if isinstance(issued, Issued):
            issued = replace(issued, fields=_copied(issued.fields))
        if problem := self._wrong(issued, job):
            raise PermanentError(
                f"{self.kind} issued {problem}",
                where=job.source,
                fix=CORRECT,
            )
        return self._cleaned(issued, job)

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Prove that the source accepts the credential."""
        await self._run("verify", source, (credential,), source, credential_id, credential)

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Try a credential once; raises PermanentError for an answer that is neither yes nor no."""
        tried = (source, credential_id, credential)
        answer = await self._run("accepts", source, (credential,), *tried)
        if not isinstance(answer, bool):
            raise self._nonsense("accepts", source, "True or False")
        return answer

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Revoke a credential; one that is known to be held never reaches the plug-in."""
        if held_id == credential_id:
            raise NeedsHuman(
                f"{credential_id} was not revoked: the vault may hold it",
                where=source,
                fix="revoke it by hand",
            )
        await self._run("retire", source, (held,), source, credential_id, held, held_id)

    async def _run(
        self, what: str, source: str, values: Iterable[Sensitive | None], *arguments: object
    ) -> Any:
        """Call the plug-in; raises RekeyErrors alone, without cause and without a value."""
        try:
            async with asyncio.timeout(PROOF_SECONDS if what == "verify" else SECONDS):
                return await self._call(what, *arguments)
        except RekeyError as error:
            known = [value.reveal() for value in values if value]
            problem = clean(error, source, known, unseen=self._unseen(what))
        except BaseException as error:
            # Some would end the process, or pass for the end of the engine's own call.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                # The engine ends the call, not the plug-in.
                raise
            problem = TransientError(
                f"{self.kind} failed in {what}: {type(error).__name__}",
                where=source,
                fix=CORRECT,
                code="NoAnswer",
            )
        raise problem

    def _unseen(self, what: str) -> str:
        """Return the name of a call whose texts are not shown; empty for any other."""
        return f"{what} of {self.kind}" if what in UNSEEN else ""

    async def _call(self, what: str, *arguments: object) -> Any:
        """Call a method of the plug-in."""
        return await getattr(self._rotator, what)(*arguments)

    def _nonsense(self, what: str, source: str, expected: str) -> PermanentError:
        return PermanentError(
            f"{self.kind} returned something other than {expected} from {what}",
            where=source,
            fix=CORRECT,
        )

    def _cleaned(self, issued: Issued, job: Job) -> Issued:
        """Return what was issued, with a doubt about it that holds no value."""
        if issued.doubt is None:
            return issued
        values = [value.reveal() for value in (*issued.fields.values(), job.held) if value]
        doubt = clean(issued.doubt, job.source, values, unseen=self._unseen("issue"))
        assert isinstance(doubt, TransientError)  # noqa: S101 - as _wrong found it to be
        return replace(issued, doubt=doubt)

    def _wrong(self, issued: object, job: Job) -> str:  # noqa: PLR0911 - a table
        if not isinstance(issued, Issued):
            return "something other than an Issued"
        before = issued.supersedes
        if not (is_id(issued.credential_id) and (before is None or is_id(before))):
            return "a credential without a usable id"
        if not self._are_values(issued.fields):
            names = ", ".join(sorted(self.template_fields))
            return f"fields other than {names}, or values that no vault can hold"
        if not _is_time(issued.expires):
            return "an expiry without a time zone"
        if issued.doubt is not None and not isinstance(issued.doubt, TransientError):
            return "a doubt that is no TransientError"
        value = issued.fields[self.value_field]
        ids = {issued.credential_id, before or ""}
        # The tags already show the id of what is held.
        if shows(ids, value) or shows(ids - {job.held_id}, job.held):
            return "a credential whose id shows a value"
        if value == job.held and not job.in_place:
            return "the very credential that the vault holds"
        return ""

    def _are_values(self, fields: Mapping[str, Sensitive]) -> bool:
        return set(fields) == self.template_fields and all(map(is_value, fields.values()))


class _Tidy(Sandboxed):
    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        await self._run("tidy", source, (), source, operation, keep)


class _Preflight(Sandboxed):
    async def preflight(self, job: Job) -> None:
        await self._run("preflight", job.source, (job.held,), job)


class _Forewarn(Sandboxed):
    async def forewarn(self, job: Job) -> str:
        text = await self._run("forewarn", job.source, (job.held,), job)
        if not isinstance(text, str):
            raise self._nonsense("forewarn", job.source, "a text")
        return hidden(text, job.source, [job.held.reveal()] if job.held else [])


class _Readable(Sandboxed):
    async def read(self, job: Job, credential_id: str) -> Mapping[str, Sensitive] | None:
        shown = await self._run("read", job.source, (job.held,), job, credential_id)
        fields = None if shown is None else _copied(shown)
        if fields is None or self._are_values(fields):
            return fields
        raise self._nonsense("read", job.source, "the fields of a credential")


class _Lists(Sandboxed):
    async def lists(self, source: str, credential_id: str) -> bool:
        answer = await self._run("lists", source, (), source, credential_id)
        if not isinstance(answer, bool):
            raise self._nonsense("lists", source, "True or False")
        return answer


class _Undo(Sandboxed):
    async def undo(self, job: Job, held: Sensitive) -> None:
        await self._run("undo", job.source, (job.held, held), job, held)


class _Recognise(Sandboxed):
    async def recognise(self, job: Job) -> Recognised:
        recognised = await self._run("recognise", job.source, (job.held,), job)
        if not (isinstance(recognised, Recognised) and _is_time(recognised.ends)):
            raise self._nonsense("recognise", job.source, "a Recognised")
        name = recognised.credential_id
        if not is_id(name) or shows({name} - {job.held_id}, job.held):
            raise self._nonsense("recognise", job.source, "the id of a credential")
        return recognised


OPTIONAL: Mapping[Any, type[Sandboxed]] = {
    Tidy: _Tidy,
    Preflight: _Preflight,
    Forewarn: _Forewarn,
    Readable: _Readable,
    Lists: _Lists,
    Undo: _Undo,
    Recognise: _Recognise,
}


def flaw(rotator: Any, kind: str) -> str:
    """Return what keeps an object from being a rotator of this kind; empty if nothing does."""
    name, field = getattr(rotator, "kind", None), getattr(rotator, "value_field", None)
    fields = getattr(rotator, "template_fields", None)
    if name != kind:
        return f"says that its kind is {str(name)[:MOST_ID]!r}"
    if not isinstance(fields, frozenset) or field not in fields:
        return "has no template_fields that contain its value_field"
    if not all(isinstance(name, str) and PLACEHOLDER.fullmatch(name) for name in fields):
        return "has template_fields that cannot be names of placeholders"
    for method in ("canonical", "single_slot", *REQUIRED):
        if not callable(getattr(rotator, method, None)):
            return f"has no method {method}"
    for method in (*REQUIRED, *(next(iter(_methods(optional))) for optional in OPTIONAL)):
        if hasattr(rotator, method) and not inspect.iscoroutinefunction(getattr(rotator, method)):
            return f"has a method {method} that is not async"
    return ""


def sandboxed(rotator: Any, base: type[Sandboxed] = Sandboxed) -> Rotator:
    """Return a plug-in's rotator inside its sandbox, with those optional methods that it has."""
    extras = [sandbox for protocol, sandbox in OPTIONAL.items() if isinstance(rotator, protocol)]
    facts = {
        "kind": rotator.kind,
        "value_field": rotator.value_field,
        "template_fields": rotator.template_fields,
        "plugin": type(rotator),
    }
    facts |= {"rewrites": True} if getattr(rotator, "rewrites", None) is True else {}
    if isinstance(opens := getattr(rotator, "opens", None), Opens):
        facts["opens"] = opens
    lingers = getattr(rotator, "lingers", None)
    if isinstance(lingers, Lingering) and isinstance(lingers.what, str):
        facts["lingers"] = Lingering(hidden(lingers.what, "", ()), str(lingers.source))
    made: Callable[[Any], Rotator] = type("Guarded", (*extras, base), facts)
    return made(rotator)


def _methods(protocol: Any) -> frozenset[str]:
    return frozenset(protocol.__protocol_attrs__)


def is_id(text: object) -> bool:
    """Return whether it can name a credential in a tag."""
    return isinstance(text, str) and len(text) <= MOST_ID and bool(ID.fullmatch(text))


def shows(ids: Iterable[str], *values: Sensitive | None) -> bool:
    """Return whether an id gives a value away, which tags, logs and answers would then hold.

    A token may contain its id, if that leaves enough of it unknown. What is short may stand in
    either by accident.
    """
    texts = [value.reveal() for value in values if value]
    return any(
        id_ == text
        or (text in id_ and len(text) >= WORD)
        or (id_ in text and len(id_) >= WORD and len(text) - len(id_) < REST)
        for id_ in ids
        for text in filter(None, texts)
    )


def _is_time(time: object) -> bool:
    """Return whether it says when something ends, or that nothing does."""
    return time is None or (isinstance(time, datetime) and time.utcoffset() is not None)


def is_value(value: object) -> bool:
    """Return whether a vault can hold it: a text that is neither empty nor too long."""
    text = value.reveal() if isinstance(value, Sensitive) else None
    try:
        return isinstance(text, str) and 0 < len(text.encode()) <= MOST_VALUE
    except UnicodeEncodeError:
        # It holds half a character, and the error the whole value.
        return False


def _copied(fields: object) -> Mapping[str, Sensitive]:
    """Return fields that the plug-in cannot change any more; none for what is no mapping."""
    try:
        return dict(fields) if isinstance(fields, Mapping) else {}
    except Exception:  # noqa: BLE001 - a plug-in may raise anything
        return {}
