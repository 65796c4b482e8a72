"""Whatever a plug-in raises or answers, the engine sees what the contract says."""

from __future__ import annotations

import asyncio
import math
import sys
from collections import UserDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest

from engine.contract import Issued, Job, Lingering, Lingers, Opens, Ranked, Recognised, Rewrites
from engine.errors import (
    AccessDenied,
    ConfigError,
    LeaseUnavailable,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    UnderWay,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.own import sandbox
from rotators.own.sandbox import sandboxed
from tests.shared.promises import everything

SOURCE = "/kinds/acme-token/orders"
HELD = "held-Value-0"
FRESH = "fresh-Value-1"
JOB = Job(
    SOURCE, "op", "blue", Sensitive(HELD), proven=True, in_place=False, expires=datetime.now(UTC)
)


class Plugin:
    """Does what each test tells it, in every method."""

    kind = "acme-token"
    value_field = "token"
    template_fields = frozenset({"token"})

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act

    @staticmethod
    def canonical(address: str, tags: dict[str, str]) -> Any:
        del tags
        if address == "raise":
            raise RuntimeError(HELD)
        if address == "exit":
            sys.exit(HELD)
        if address == "panic":
            raise Panic(HELD)
        if address.startswith("/kinds/"):
            return address
        return {"number": 7, "upper": "/kinds/ACME/x", "outside": "/x", "good": SOURCE}.get(address)

    @staticmethod
    def single_slot(tags: dict[str, str]) -> Any:
        if "broken" in tags:
            raise RuntimeError
        return False

    async def _do(self, *_: Any) -> Any:
        return self._act()

    issue = verify = accepts = retire = recognise = read = _do
    lists = forewarn = undo = preflight = tidy = _do


class Panic(BaseException):
    """What a library in another language ends in, as pyo3's PanicException."""


def answering(answer: Any) -> Any:
    return sandboxed(Plugin(lambda: answer))


def raising(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return sandboxed(Plugin(act))


def answering_under_way(mark: Any) -> Any:
    return raising(UnderWay("x", mark=mark))


CALLS: dict[str, Callable[[Any], Any]] = {
    "issue": lambda rotator: rotator.issue(JOB),
    "verify": lambda rotator: rotator.verify(SOURCE, "blue", Sensitive(HELD)),
    "accepts": lambda rotator: rotator.accepts(SOURCE, "blue", Sensitive(HELD)),
    "retire": lambda rotator: rotator.retire(SOURCE, "green", Sensitive(HELD), "blue"),
    "recognise": lambda rotator: rotator.recognise(JOB),
    "read": lambda rotator: rotator.read(JOB, "blue"),
    "lists": lambda rotator: rotator.lists(SOURCE, "blue"),
    "forewarn": lambda rotator: rotator.forewarn(JOB),
    "undo": lambda rotator: rotator.undo(JOB, Sensitive(HELD)),
    "preflight": lambda rotator: rotator.preflight(JOB),
    "tidy": lambda rotator: rotator.tidy(SOURCE, "op", None),
}


def made(credential_id: str, values: Any, supersedes: str | None = None, **more: Any) -> Issued:
    return Issued(credential_id, values, supersedes, **more)


def fields(**values: Any) -> dict[str, Any]:
    return {name: Sensitive(value) for name, value in values.items()}


class Nowhere(tzinfo):
    """A time zone that does not say how far it is from UTC."""

    def utcoffset(self, moment: datetime | None) -> None:
        """Say nothing."""

    dst = tzname = utcoffset


@pytest.mark.parametrize("call", CALLS)
async def test_what_is_no_rekey_error_may_pass_by_itself_and_shows_nothing_but_its_class(
    call: str,
) -> None:
    errors = (RuntimeError(HELD), ConnectionError(HELD), KeyError(HELD), TimeoutError())
    ends = (SystemExit(HELD), KeyboardInterrupt(HELD), GeneratorExit(HELD), Panic(HELD))
    for error in (*errors, *ends, asyncio.CancelledError(HELD)):
        with pytest.raises(TransientError, match=type(error).__name__) as caught:
            await CALLS[call](raising(error))
        assert HELD not in everything(caught.value)
        assert caught.value.__context__ is None
        assert caught.value.code == "NoAnswer"


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"tidy", "lists"}))
async def test_a_value_in_an_error_is_hidden_wherever_it_stands(call: str) -> None:
    error = NeedsHuman(f"it was {HELD}", where=f"at {HELD}", fix=f"try {FRESH * 3}")
    error.__cause__ = RuntimeError(HELD)
    with pytest.raises(NeedsHuman, match=r"it was \(hidden\)") as caught:
        await CALLS[call](raising(error))
    assert HELD not in everything(caught.value)
    assert FRESH not in everything(caught.value)


async def test_what_is_set_back_is_hidden_in_an_error_although_the_job_does_not_hold_it() -> None:
    with pytest.raises(NeedsHuman, match=r"it was \(hidden\)"):
        await raising(NeedsHuman(f"it was {HELD}")).undo(replace(JOB, held=None), Sensitive(HELD))


@pytest.mark.parametrize("call", ["issue", "retire", "undo", "tidy"])
@pytest.mark.parametrize(
    "kind", [PermanentError, VerificationFailed, TransientError, UnderWay, RekeyError]
)
async def test_a_text_is_not_shown_where_something_was_made_that_nobody_else_knows(
    call: str, kind: type[RekeyError]
) -> None:
    """A driver's error may quote the statement, with a value too short to look like one."""
    error = kind("near 'Fr3sh:pa,ss'", where="Fr3sh:pa,ss", fix="mind Fr3sh:pa,ss")
    with pytest.raises(RekeyError) as caught:
        await CALLS[call](raising(error))
    assert "Fr3sh" not in everything(caught.value)
    assert caught.value.what == f"{call} of acme-token ended with {kind.__name__}"
    assert caught.value.where == SOURCE
    assert caught.value.fix


@pytest.mark.parametrize("call", ["read", "lists", "recognise"])
@pytest.mark.parametrize("kind", [PermanentError, TransientError])
async def test_a_text_is_not_shown_where_a_source_was_read_that_shows_values(
    call: str, kind: type[RekeyError]
) -> None:
    error = kind("row ('orders', 's3cr3t-Live!') has no expiry")
    with pytest.raises(kind) as caught:
        await CALLS[call](raising(error))
    assert "s3cr3t" not in everything(caught.value)
    assert caught.value.what == f"{call} of acme-token ended with {kind.__name__}"


@pytest.mark.parametrize("call", ["issue", "retire", "undo", "tidy", "read", "lists", "recognise"])
@pytest.mark.parametrize("kind", [NotFound, AccessDenied, NeedsHuman, TransientError])
async def test_a_text_is_shown_where_nothing_was_changed(call: str, kind: type[RekeyError]) -> None:
    error = kind("no such project", fix="correct the tag")
    error.unsent = kind is TransientError
    with pytest.raises(kind, match="no such project") as caught:
        await CALLS[call](raising(error))
    assert caught.value.fix == "correct the tag"


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (NotFound("x"), NotFound),
        (AccessDenied("x"), AccessDenied),
        (VerificationFailed("x"), VerificationFailed),
        (NeedsHuman("x"), NeedsHuman),
        (PermanentError("x"), PermanentError),
        (RekeyError("x"), PermanentError),
        (ConfigError(["x"]), PermanentError),
        (TransientError("x", retry_after=7), TransientError),
        (LeaseUnavailable("x"), TransientError),
        (type("Own", (NotFound,), {})("x"), NotFound),
    ],
)
async def test_the_class_of_an_error_is_one_of_the_contract(
    raised: RekeyError, seen: type[RekeyError]
) -> None:
    with pytest.raises(RekeyError) as caught:
        await CALLS["verify"](raising(raised))
    assert type(caught.value) is seen
    assert caught.value.where in (SOURCE, "application settings")


class Bare(TransientError):
    """An error of a plug-in's own that lacks what others have."""

    def __init__(self) -> None:
        pass


class Untold:
    """What cannot be written as a text."""

    def __str__(self) -> str:
        raise RuntimeError(HELD)


@pytest.mark.parametrize(
    ("raised", "what"),
    [(Bare(), "Bare"), (TransientError(Untold()), "TransientError")],  # type: ignore[arg-type]
)
async def test_an_error_that_lacks_its_texts_is_known_by_its_class(
    raised: RekeyError, what: str
) -> None:
    with pytest.raises(TransientError) as caught:
        await CALLS["verify"](raising(raised))
    assert (type(caught.value), caught.value.what) == (TransientError, what)
    assert HELD not in everything(caught.value)


@pytest.mark.parametrize(
    ("wait", "seen"), [(7, 7), (-1, 0), (1e9, 3600), (math.nan, 0), ("soon", None)]
)
async def test_a_plug_in_cannot_ask_for_an_endless_pause(wait: Any, seen: float | None) -> None:
    with pytest.raises(TransientError) as caught:
        await CALLS["verify"](raising(TransientError("x", retry_after=wait)))
    assert caught.value.retry_after == seen


@pytest.mark.parametrize(
    ("mark", "seen"),
    [("1 ab12 " + "cd34" * 16, "1 ab12 " + "cd34" * 16), (f"was {HELD}", "was (hidden)"), (7, "7")],
)
async def test_what_a_plug_in_marks_comes_back_but_for_a_value(mark: Any, seen: str) -> None:
    """A change that goes on is known by it in another process."""
    with pytest.raises(UnderWay) as caught:
        await answering_under_way(mark).issue(JOB)
    assert caught.value.mark == seen


@pytest.mark.parametrize("unsent", [True, False])
async def test_what_a_plug_in_has_not_sent_is_known_not_to_be_sent(*, unsent: bool) -> None:
    for error in (TransientError("x"), AccessDenied("x")):
        error.unsent = unsent
        with pytest.raises(RekeyError) as caught:
            await raising(error).issue(JOB)
        assert caught.value.unsent is unsent


async def test_the_text_of_a_doubt_about_what_was_made_is_not_shown() -> None:
    """It may quote the statement, in which a value is escaped."""
    doubt = TransientError(r"near 'Fr3sh\'pass'", where="Fr3sh", fix="Fr3sh", retry_after=1e9)
    doubt.__cause__ = RuntimeError(FRESH)
    issued = await answering(made("green", fields(token="Fr3sh'pass"), doubt=doubt)).issue(JOB)
    assert type(issued.doubt) is TransientError
    assert issued.doubt.what == "issue of acme-token ended with TransientError"
    assert (issued.doubt.where, issued.doubt.retry_after) == (SOURCE, 3600)
    assert not [text for text in ("Fr3sh", FRESH) if text in everything(issued.doubt)]


class Torn(UserDict[str, Any]):
    """Fields that cannot be read."""

    def __iter__(self) -> Any:
        raise RuntimeError(HELD)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "text",
        made("", fields(token="t")),
        made("a\nb", fields(token="t")),
        made("x" * 151, fields(token="t")),
        made("green", {}),
        made("green", fields(other="t")),
        made("green", fields(token="t", more="t")),
        made("green", fields(token="")),
        made("green", fields(token="x" * 25_001)),
        made("green", fields(token="ü" * 12_501)),
        made("green", fields(token=HELD + "\udcff")),
        made("green", fields(token=HELD.encode())),
        made("green", fields(token=None)),
        made("green", fields(token=12345)),
        made("green", {"token": "plain text"}),
        made("green", Torn()),
        made("green", [("token", Sensitive("t"))]),
        made("green", fields(token="t"), supersedes="a\nb"),
        made("green", fields(token="t"), supersedes=""),
        made("green", fields(token="t"), supersedes=0),  # type: ignore[arg-type]
        made("green", fields(token="t"), expires=datetime(2027, 1, 1)),  # noqa: DTZ001
        made("green", fields(token="t"), expires=""),
        made("green", fields(token=HELD)),
        made("green", fields(token="t"), doubt="perhaps"),
        made("green", fields(token="t"), doubt=PermanentError("x")),
        made("green", fields(token="t"), doubt=RuntimeError(HELD)),
    ],
)
async def test_nonsense_is_never_issued(nonsense: Any) -> None:
    with pytest.raises(PermanentError, match="issued") as caught:
        await answering(nonsense).issue(JOB)
    assert caught.value.fix
    assert HELD not in str(caught.value)


@pytest.mark.parametrize(
    ("slot", "value"),
    [("green", "x"), ("green", "x" * 25_000), ("green", "ü" * 12_500), ("x" * 150, FRESH)],
)
async def test_what_is_just_inside_its_bounds_is_issued(slot: str, value: str) -> None:
    issued = Issued(slot, fields(token=value), "blue")
    assert await answering(issued).issue(JOB) == issued


LONG = "id-of-a-token.0123456789abcdef"


@pytest.mark.parametrize(
    ("credential_id", "supersedes"),
    [
        (FRESH, "blue"),
        (f"token {FRESH}", "blue"),
        (FRESH[:-1], "blue"),
        (HELD, None),
        ("green", HELD),
        ("green", FRESH),
    ],
)
async def test_no_id_shows_a_value(credential_id: str, supersedes: str | None) -> None:
    """Many services revoke a token by the token itself. An id stands in tags, logs and answers."""
    with pytest.raises(PermanentError, match="whose id shows a value") as caught:
        await answering(made(credential_id, fields(token=FRESH), supersedes)).issue(JOB)
    assert not {FRESH, HELD} & {*everything(caught.value).split()}
    if HELD in (credential_id, supersedes):
        with pytest.raises(PermanentError, match="the id of a credential"):
            await answering(Recognised(HELD)).recognise(JOB)


@pytest.mark.parametrize(
    ("credential_id", "value"),
    [("id-of-a-token", LONG), ("id-of-a", "id-of-a-pin"), ("a", "banana"), (FRESH, LONG)],
    ids=["its name in it", "a short part of it", "a letter of it", "nothing of it"],
)
async def test_an_id_may_be_the_part_of_a_value_that_names_it(
    credential_id: str, value: str
) -> None:
    issued = made(credential_id, fields(token=value), "blue")
    assert await answering(issued).issue(JOB) == issued


@pytest.mark.parametrize(
    ("held", "credential_id", "held_id"),
    [
        ("-", "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90", None),
        ("1", "10000001", None),
        ("app-key", "app-key-2", None),
        ("app", "app-user", "app"),
        ("password", "password", "password"),
        ("password1", "password", "password"),
    ],
)
async def test_a_first_value_that_is_no_credential_stands_in_no_ids_way(
    held: str, credential_id: str, held_id: str | None
) -> None:
    """It may be as short as a letter, or the very name that the tags say."""
    job = replace(JOB, held=Sensitive(held), held_id=held_id, proven=False)
    issued = made(credential_id, fields(token=FRESH), held_id)
    assert await answering(issued).issue(job) == issued
    if credential_id == held_id:
        assert await answering(Recognised(held_id)).recognise(job) == Recognised(held_id)


@pytest.mark.parametrize(("held", "shown"), [("app-key1", "app-key1-2"), ("pin-042", "pin-042")])
async def test_an_id_shows_a_value_of_eight_characters_within_it_or_a_shorter_whole_one(
    held: str, shown: str
) -> None:
    for token, job in ((FRESH, replace(JOB, held=Sensitive(held))), (held, JOB)):
        with pytest.raises(PermanentError, match="whose id shows a value"):
            await answering(made(shown, fields(token=token), "blue")).issue(job)


async def test_what_was_issued_or_read_is_what_the_plug_in_cannot_change_any_more() -> None:
    """One instance serves many secrets at a time, and may fill one dict for all of them."""
    shared = fields(token=FRESH)
    issued = await answering(made("green", shared)).issue(JOB)
    shown = await answering(shared).read(JOB, "blue")
    shared["token"] = Sensitive("of another secret")
    assert issued.fields == shown == fields(token=FRESH)


async def test_what_is_sound_passes_as_it_is() -> None:
    assert await answering(Recognised("blue")).recognise(JOB) == Recognised("blue")
    assert await answering(None).read(JOB, "blue") is None
    assert await answering(fields(token=HELD)).read(JOB, "blue") == fields(token=HELD)
    assert await answering(True).accepts(SOURCE, "blue", Sensitive(HELD)) is True
    assert await answering(True).lists(SOURCE, "blue") is True
    assert await answering("mind the gap").forewarn(JOB) == "mind the gap"


async def test_a_warning_shows_no_value_that_is_held() -> None:
    rotator = answering(f"{HELD} is still in use")
    assert await rotator.forewarn(JOB) == "(hidden) is still in use"
    assert await rotator.forewarn(replace(JOB, held=None)) == f"{HELD} is still in use"


async def test_an_endless_text_of_a_plug_in_is_cut() -> None:
    with pytest.raises(PermanentError) as caught:
        await CALLS["verify"](raising(PermanentError("no " * 9999, fix="x " * 9999)))
    assert len(caught.value.what) == len(caught.value.fix) == 1000


@pytest.mark.parametrize(
    ("call", "nonsense"),
    [
        ("accepts", "yes"),
        ("recognise", "blue"),
        ("recognise", Recognised("blue", "soon")),  # type: ignore[arg-type]
        ("recognise", Recognised("blue", datetime(2027, 1, 1))),  # noqa: DTZ001
        ("recognise", Recognised("blue", datetime(2027, 1, 1, tzinfo=Nowhere()))),
        ("recognise", Recognised(" blue")),
        ("read", {"token": "t"}),
        ("read", fields(token=HELD + "\udcff")),
        ("lists", "no"),
        ("forewarn", None),
    ],
)
async def test_nonsense_is_an_error_that_names_the_method(call: str, nonsense: Any) -> None:
    with pytest.raises(PermanentError, match=call):
        await CALLS[call](answering(nonsense))


@pytest.mark.parametrize("held", [Sensitive(HELD), None], ids=["known", "not readable"])
async def test_the_credential_that_is_known_to_be_held_never_gets_as_far_as_the_plug_in(
    held: Sensitive | None,
) -> None:
    with pytest.raises(NeedsHuman, match="hold it"):
        await answering(None).retire(SOURCE, "blue", held, "blue")


@pytest.mark.parametrize(
    ("address", "tags", "source"),
    [
        ("good", {}, SOURCE),
        ("good", {"broken": "1"}, None),
        ("raise", {}, None),
        ("exit", {}, None),
        ("panic", {}, None),
        ("number", {}, None),
        ("upper", {}, None),
        ("outside", {}, None),
        (f"{SOURCE}/../x", {}, None),
        (f"{SOURCE}/./x", {}, None),
        (f"{SOURCE}/..", {}, None),
        (f"{SOURCE}/..x", {}, f"{SOURCE}/..x"),
        (f"{SOURCE}/a b", {}, None),
        (f"{SOURCE}/", {}, None),
    ],
)
def test_a_plug_in_claims_only_what_a_scope_can_name(
    address: str, tags: dict[str, str], source: str | None
) -> None:
    assert answering(None).canonical(address, tags) == source


def test_a_plug_in_that_cannot_say_how_many_slots_there_are_has_two() -> None:
    assert answering(None).single_slot({"broken": "1"}) is False
    assert answering(None).single_slot({}) is False


async def test_a_call_that_the_engine_ends_is_ended_and_no_error_of_the_plug_in() -> None:
    class Waiting(Plugin):
        async def accepts(self, *_: Any) -> Any:
            await asyncio.Event().wait()

    call = asyncio.ensure_future(CALLS["accepts"](sandboxed(Waiting(lambda: None))))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_plug_in_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 0.0)
    monkeypatch.setattr(sandbox, "PROOF_SECONDS", 0.0)

    class Hanging(Plugin):
        async def verify(self, *_: Any) -> Any:
            await asyncio.Event().wait()

        accepts = verify

    rotator = sandboxed(Hanging(lambda: None))
    for call in ("verify", "accepts"):
        with pytest.raises(TransientError, match="TimeoutError"):
            await CALLS[call](rotator)


async def test_a_proof_may_take_longer_than_any_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SECONDS", 0.0)

    class Slow(Plugin):
        async def verify(self, *_: Any) -> Any:
            for _turn in range(3):
                await asyncio.sleep(0)

        accepts = verify

    rotator = sandboxed(Slow(lambda: None))
    await CALLS["verify"](rotator)
    with pytest.raises(TransientError, match="TimeoutError"):
        await CALLS["accepts"](rotator)


@pytest.mark.parametrize("whole", [False, True])
def test_what_takes_its_list_as_a_whole_says_so_inside_its_guard(*, whole: bool) -> None:
    base = type("Whole", (Plugin,), {"rewrites": True}) if whole else Plugin
    assert isinstance(sandboxed(base(lambda: None)), Rewrites) is whole


def test_what_a_kind_says_of_a_leak_counts_inside_its_guard_if_it_can() -> None:
    lingering = Lingering("sessions live for an hour", "https://acme.example/sessions")
    facts = {"rewrites": False, "opens": Opens.IDENTITY, "lingers": lingering}
    made = type(sandboxed(type("Said", (Plugin,), facts)(lambda: None)))
    assert not isinstance(made, Rewrites)
    assert isinstance(made, Ranked)
    assert made.opens is Opens.IDENTITY
    assert isinstance(made, Lingers)
    assert made.lingers == lingering
    endless = type("Endless", (Plugin,), {"lingers": Lingering("hours " * 9999, "x")})
    assert len(type(sandboxed(endless(lambda: None))).lingers.what) == 1000
    facts = {"rewrites": "yes", "opens": 7, "lingers": Lingering(7, "x")}
    made = type(sandboxed(type("Nonsense", (Plugin,), facts)(lambda: None)))
    assert not any(isinstance(made, protocol) for protocol in (Rewrites, Ranked, Lingers))
