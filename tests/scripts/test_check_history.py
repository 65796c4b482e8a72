"""Each promise, both ways: a history that keeps it, and the same with one thing changed."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from scripts.check_history import check, main
from scripts.history.things import NotAHistoryError

type Line = dict[str, Any]
type Tale = dict[str, Line]
KEYS, APP, DAY = "/keys", "prod/app", 86400.0
TERMS = {"source": KEYS, "valid_days": 90, "overlap_hours": 168, "days_before": 30}
TAGS = {"Owner": "team-a"}


def line(t: float, do: str, **fields: Any) -> Line:
    return {"t": t, "do": do, **fields}


def version(name: str, credential: str, **fields: Any) -> Line:
    usual = {"enabled": True, "expires": 90 * DAY, "type": "text/plain", "tags": TAGS}
    return {"secret": APP, "version": name, "credential": credential, **usual, **fields}


def asked(n: int, to: str, what: str, t: float = 0, p: int = 1, **fields: Any) -> Line:
    return line(t, "call", n=n, p=p, to=to, what=what, **fields)


def answered(n: int, t: float = 0, **fields: Any) -> Line:
    return line(t, "answer", n=n, said="ok", **fields)


def applied(n: int, *changes: Line, t: float = 0) -> Line:
    return line(t, "applied", call=n, changes=list(changes))


UNDER: Line = {"change": True, "under": [KEYS]}
GIVEN = [
    {"source": KEYS, "holds": "two"},
    {"source": KEYS, "takes": "c1"},
    {"source": KEYS, "takes": "c0"},
    version("v1", "c1", expires=10 * DAY),
    {"secret": APP, "terms": TERMS},
    {"vault": "prod", "by": "", "bound": [KEYS]},
]


def rotation() -> Tale:
    """Return a rotation, and the retirement of what it superseded eight days later."""
    return {
        "begin": line(0, "begin", history=1, run="by hand"),
        "given": line(0, "given", changes=list(GIVEN)),
        "message": line(0, "message", m=1, what="rotate", secret=APP, version="v1"),
        "start": line(0, "start", p=1, m=1, what="rotate", secret=APP, version="v1"),
        "lock": asked(1, "lock", "acquire"),
        "locked": applied(1, {"lock": KEYS, "holder": 1, "until": 60}),
        "set": asked(2, "source", "set key2", source=KEYS, **UNDER),
        "was set": applied(2, {"source": KEYS, "drops": "c0"}, {"source": KEYS, "takes": "c2"}),
        "prove": asked(3, "source", "prove", source=KEYS, credential="c2"),
        "proven": answered(3, accepted=True),
        "read": asked(4, "vault", "read", secret=APP),
        "shown": answered(4, version="v1"),
        "write": asked(5, "vault", "write", secret=APP, **UNDER),
        "written": applied(5, version("v2", "c2")),
        "report": line(0, "report", p=1, secret=APP, says="rotated", published="v2", old="v1"),
        "done": line(0, "done", p=1),
        "later": line(8 * DAY, "message", m=2, what="retire", secret=APP),
        "restart": line(8 * DAY, "start", p=2, m=2, what="retire", secret=APP),
        "relock": asked(6, "lock", "acquire", t=8 * DAY, p=2),
        "relocked": applied(6, {"lock": KEYS, "holder": 2, "until": 8 * DAY + 60}, t=8 * DAY),
        "revoke": asked(7, "source", "set key1", t=8 * DAY, p=2, source=KEYS, **UNDER),
        "revoked": applied(
            7, {"source": KEYS, "drops": "c1"}, {"source": KEYS, "takes": "c3"}, t=8 * DAY
        ),
        "reread": asked(8, "vault", "read", t=8 * DAY, p=2, secret=APP),
        "reshown": answered(8, t=8 * DAY, version="v2"),
        "disable": asked(9, "vault", "disable", t=8 * DAY, p=2, secret=APP, **UNDER),
        "disabled": applied(9, version("v1", "c1", enabled=False), t=8 * DAY),
        "retired": line(8 * DAY, "report", p=2, secret=APP, says="retired"),
        "end of it": line(8 * DAY, "done", p=2),
        "end": line(8 * DAY, "end"),
    }


def found(tale: Tale) -> list[str]:
    return [text for _, text in check(json.dumps(it) for it in tale.values())]


def without(*names: str) -> Callable[[Tale], Tale]:
    return lambda tale: {name: it for name, it in tale.items() if name not in names}


def saying(name: str, **fields: Any) -> Callable[[Tale], Tale]:
    return lambda tale: {**tale, name: {**tale[name], **fields}}


def then(name: str, *lines: Line) -> Callable[[Tale], Tale]:
    """Return an edit that puts lines after one; they have its time where they name none."""

    def edit(tale: Tale) -> Tale:
        edited: Tale = {}
        for known, it in tale.items():
            edited[known] = it
            if known == name:
                edited |= {f"{name} {at}": {"t": it["t"], **new} for at, new in enumerate(lines)}
        return edited

    return edit


def given(*changes: Line) -> Callable[[Tale], Tale]:
    return saying("given", changes=[*GIVEN, *changes])


def writes(**fields: Any) -> Callable[[Tale], Tale]:
    return saying("written", changes=[version("v2", "c2", **fields)])


def both(*edits: Callable[[Tale], Tale]) -> Callable[[Tale], Tale]:
    return lambda tale: reduce(lambda so_far, edit: edit(so_far), edits, tale)


def changing(seconds: float) -> list[Line]:
    """Return a change that the source goes on with for so long."""
    return [
        applied(2, {"source": KEYS, "changing": True}),
        line(seconds, "source", changes=[{"source": KEYS, "changing": False}]),
    ]


def leap(seconds: float) -> list[Line]:
    return [line(0, "leap", seconds=seconds), line(0, "fault", until=seconds)]


def listing(**fields: Any) -> list[Line]:
    return [asked(30, "source", "list secrets", source=KEYS), answered(30, **fields)]


def person(*changes: Line, **fields: Any) -> Line:
    return {"do": "person", "changes": list(changes), **fields}


REVOKES = person({"source": KEYS, "drops": "c2"}, {"source": KEYS, "takes": "c9"})
LEAK = {"do": "leak", "credential": "c1", "secret": APP}
ONE = saying("given", changes=[{"source": KEYS, "holds": "one"}, *GIVEN[1:]])
ANY = saying("given", changes=[{"source": KEYS, "holds": "any number"}, *GIVEN[1:]])
LISTED = saying("set", what="add to the list")
PURGES = ({"secret": APP, "purged": True}, version("v3", "c1"), {"secret": APP, "terms": TERMS})
PARKS = saying("retired", says="needs a person", old="v2", why="a right is missing")


WITHOUT_MARK = {"says": "needs a person", "why": "so", "unmarked": True}
BROKEN: Mapping[str, tuple[str, Callable[[Tale], Tale]]] = {
    "it refuses what is current": ("P1: /keys refuses what prod/app",
        then("set", applied(2, {"source": KEYS, "drops": "c1"}))),
    "it does so for five minutes": ("P1: what prod/app holds has been refused for over",
        both(ONE, then("proven", applied(2, {"source": KEYS, "drops": "c1"}), line(301, "fault")))),
    "it does so for longer than its changes go on": ("P1: what prod/app holds has been refused for",
        both(ONE, then("proven", *changing(200), line(200, "applied", call=2, changes=[{"source": KEYS, "drops": "c1"}]), line(701, "fault")))),
    "it does so after a leap": ("P1: what prod/app holds has been refused for over",
        both(ONE, then("proven", applied(2, {"source": KEYS, "drops": "c1"}), *leap(400), line(700, "fault")))),
    "it does so in the end": ("P1: in the end", then("end of it", REVOKES)),
    "what is current is disabled": ("P1: the current",
        then("revoked", asked(9, "vault", "tag", t=8 * DAY, p=2, secret=APP), applied(9, version("v2", "c2", enabled=False), t=8 * DAY))),
    "a change without its lock": ("P2: set key2 was sent", without("lock", "locked")),
    "a lock that has ended": ("P2: set key1 was sent",
        saying("relocked", changes=[{"lock": KEYS, "holder": 2, "until": 0}])),
    "twice for one request": ("P2: v2 was replaced",
        then("written", asked(20, "vault", "read", secret=APP), answered(20, version="v2"), asked(21, "vault", "write", secret=APP, **UNDER), applied(21, version("v5", "c2")))),
    "a version without a proof": ("P3: prod/app was given c2", without("prove", "proven")),
    "a proof that was refused": ("P3: prod/app was given c2",
        saying("proven", accepted=False, refused=True)),
    "an hour too early": ("P4: c1 of v1 was cut off",
        lambda tale: {name: ({**it, "t": 7 * DAY - 3600} if it["t"] else it) for name, it in tale.items()}),
    "a version that is disabled early": ("P4: c1 of v1 was disabled",
        then("written", applied(5, version("v1", "c1", enabled=False)))),
    "what was superseded lives": ("P5: c1 is left behind", without("revoke", "revoked")),
    "what nobody holds lives": ("P5: c7 is left behind",
        both(ANY, then("was set", applied(2, {"source": KEYS, "takes": "c7"})))),
    "somebody else's is removed": ("P5: c0, which the rotator did not make", ANY),
    "what a list has shown is removed": ("P5: c0, which the rotator did not make",
        both(ANY, LISTED, then("locked", *listing()))),
    "a leak that nobody is at": ("P5: c1 has leaked, is accepted, and nobody", then("done", LEAK)),
    "a leak that is called over": ("P5: the leak of v1 was called over",
        both(then("start", LEAK), saying("report", leak=True, asked="v1"))),
    "a leak that comes back": (
        "P5: c1 has leaked, was gone",
        then("revoked", LEAK, applied(7, {"noted": "v1"}, t=8 * DAY), applied(7, {"source": KEYS, "takes": "c1"}, t=8 * DAY)),
    ),
    "a leak that is published": ("P5: prod/app was given c2, which is known",
        then("shown", person({"secret": "prod/old", "version": "v0", "credential": "c2"}), applied(4, {"noted": "v0"}))),
    "a value in a report": ("P6: a value shows", saying("report", shows=True)),
    "a value in a tag": ("P6: a value shows", writes(shows=True)),
    "a source that nobody has bound": ("P7: /keys was changed",
        given({"vault": "prod", "by": "", "bound": []})),
    "a write without a read": ("P7: write of prod/app was sent without", without("read", "shown")),
    "a list without a read": ("P7: add to the list was sent",
        saying("set", what="add to the list")),
    "what its owner keeps for people": ("P7: prod/app was written, and consents to nobody",
        given({"secret": APP, "terms": {**TERMS, "by_person_only": True}})),
    "what has no source": ("P7: prod/app was written, and consents to nobody",
        given({"secret": APP, "terms": {"valid_days": 90}})),
    "what copies another": ("P7: prod/app was written, and consents to another",
        given({"secret": "prod/other", "terms": {"source": "/others"}}, {"source": "/others", "holds": "two"}, {"secret": APP, "terms": {**TERMS, "source": "", "copy_of": "prod/other"}} | {"terms": {"copy_of": "prod/other"}})),
    "what is disabled": ("P7: prod/app was written although it was",
        saying("shown", disabled=True)),
    "an owner's tag that goes": ("P7: what the owner of prod/app had set", writes(tags={})),
    "a tag that goes later": ("P7: what the owner of prod/app had set",
        saying("disabled", changes=[version("v1", "c1", enabled=False, tags={})])),
    "ten years": ("P7: prod/app lasts longer", writes(expires=3650 * DAY)),
    "a message without a word": ("P8: a message is gone", without("report")),
    "a person without a reason": ("P8: prod/app needs a person, and nobody was told",
        saying("retired", says="needs a person")),
    "a person without a mark": ("P8: prod/app needs a person, and bears no mark", PARKS),
    "a mark that stays": ("P8: in the end prod/app still needs", writes(mark="needs a person")),
    "a leak that nobody reported": ("P8: prod/app is marked as leaked",
        both(PARKS, writes(mark="leaked"))),
    "a version that nobody announced": ("P8: v2 was published, and never",
        saying("report", says="skipped", published=None)),
    "a version that does not exist": ("P8: rotated was reported", saying("report", published="v7")),
    "a person's version": ("P8: v1, which a person wrote, was called",
        saying("report", published="v1")),
    "what is due": ("P8: in the end prod/app is due", writes(expires=9 * DAY)),
    "a change without end": ("P8: /keys is at a change",
        then("was set", applied(2, {"source": KEYS, "changing": True}))),
    "an error of its own": ("P8: a process failed", saying("done", do="failed", unforeseen=True)),
    "who fell out": ("P8: prod/app fell out",
        then("end of it", person(version("v8", "c2"), {"secret": APP, "terms": {}}), {"do": "shown", "secret": APP, "state": "unmanaged"})),
}  # fmt: skip
KEPT: Mapping[str, Callable[[Tale], Tale]] = {
    "as it is": lambda tale: tale,
    "after a person's change": then(
        "end of it", REVOKES, {"do": "mended"}, person({"source": KEYS, "takes": "c2"})
    ),
    "one place, for less than five minutes": both(
        ONE, then("proven", applied(2, {"source": KEYS, "drops": "c1"}))
    ),
    "one place, over a leap": both(
        ONE,
        then(
            "proven",
            applied(2, {"source": KEYS, "drops": "c1"}),
            *leap(400),
            asked(30, "lock", "renew", t=400),
            line(699, "fault"),
        ),
    ),
    "one place, while it goes on with a change": both(
        ONE,
        then(
            "proven",
            applied(2, {"source": KEYS, "drops": "c1"}),
            *changing(200),
            line(499, "fault"),
        ),
    ),
    "what is left to its owner": then(
        "end of it",
        REVOKES,
        person({"secret": APP, "terms": {**TERMS, "by_person_only": True}}),
        line(10 * DAY, "fault"),
        line(11 * DAY, "person", changes=[{"source": KEYS, "takes": "c2"}]),
    ),
    "what held a leak in a purged version": both(
        then("locked", person(*PURGES), applied(1, {"noted": "v1"})),
        saying("shown", version="v3"),
        saying("disabled", changes=[version("v3", "c1", enabled=False)]),
        lambda tale: {name: ({**it, "t": 0} if name != "end" else it) for name, it in tale.items()},
    ),
    "late": both(
        then("locked", applied(1, {"lock": KEYS, "holder": None, "until": 0})),
        without("set"),
        then("lock", asked(2, "source", "set key2", source=KEYS)),
        then("was set", applied(1, {"lock": KEYS, "holder": 1, "until": 60})),
    ),
    "once more for another request": both(
        then(
            "written",
            {"do": "message", "m": 5, "what": "rotate", "secret": APP, "version": "v2"},
            asked(20, "vault", "read", secret=APP),
            answered(20, version="v2"),
            asked(21, "vault", "write", secret=APP, **UNDER),
            applied(21, version("v5", "c2")),
            line(0, "start", p=5, m=5, what="rotate", secret=APP),
            line(0, "report", p=5, secret=APP, says="rotated", published="v5"),
            line(0, "done", p=5),
        ),
        saying("reshown", version="v5"),
        then("disabled", applied(9, version("v2", "c2", enabled=False), t=8 * DAY)),
    ),
    "a leak without an overlap": both(
        then("start", LEAK),
        lambda tale: {name: ({**it, "t": 0} if name != "end" else it) for name, it in tale.items()},
    ),
    "a leak of which a person was told": both(
        then("done", LEAK),
        then("start", {"do": "report", "p": 1, "secret": APP} | WITHOUT_MARK),
    ),
    "an owner's tag that its owner takes": both(
        then("read", person(version("v1", "c1", expires=10 * DAY, tags={"Owner": "b"}))),
        saying("disabled", changes=[version("v1", "c1", enabled=False, tags={"Owner": "b"})]),
    ),
    "a message about no secret, without a word": then(
        "done", line(0, "start", p=9, m=9, what="follow"), line(0, "done", p=9)
    ),
    "a version of a person's within the second of the one before": then(
        "end of it",
        person(version("v8", "c2")),
        person(version("v9", "c2"), {"secret": APP, "terms": {}}),
        {"do": "shown", "secret": APP, "state": "unmanaged", "fix": True},
        person({"secret": APP, "terms": TERMS}),
    ),
    "what came into a list after it was read": both(
        given({"source": KEYS, "holds": "any number"}, {"source": KEYS, "drops": "c0"}),
        LISTED,
        saying("revoked", changes=[{"source": KEYS, "drops": "c1"}]),
        then(
            "locked",
            *listing(),
            person({"source": KEYS, "takes": "c0"}),
            asked(31, "source", "sign in", source=KEYS, credential="c1"),
            answered(31, refused=True),
        ),
    ),
    "what a lagging list lacks": both(
        ANY,
        LISTED,
        saying("revoked", changes=[{"source": KEYS, "drops": "c1"}]),
        then("locked", *listing(lags=True)),
    ),
    "a refusal that a mark excused until now": both(
        then("end of it", REVOKES, person(version("v2", "c2", mark="needs a person"))),
        then(
            "end of it 1",
            asked(31, "vault", "tag", t=12 * DAY, p=2, secret=APP),
            applied(31, version("v2", "c2"), t=12 * DAY),
            person({"source": KEYS, "takes": "c2"}, t=12 * DAY + 299),
        ),
        saying("end", t=13 * DAY),
    ),
    "a mark that says why": both(
        PARKS,
        then("reshown", applied(8, version("v2", "c2", mark="needs a person"), t=8 * DAY)),
        then("retired", applied(8, version("v2", "c2"), t=8 * DAY)),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_promise_is_found(name: str) -> None:
    text, edit = BROKEN[name]
    assert any(known.startswith(text) for known in found(edit(rotation()))), found(edit(rotation()))


@pytest.mark.parametrize("name", KEPT)
def test_what_keeps_the_promises_is_left_alone(name: str) -> None:
    assert found(KEPT[name](rotation())) == []


def test_every_promise_is_broken_by_some_history() -> None:
    assert {text[:2] for text, _ in BROKEN.values()} == {f"P{number}" for number in range(1, 9)}


def test_a_violation_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tale = saying("report", shows=True)(rotation())
    file = tmp_path / "a.jsonl"
    file.write_text("".join(f"{json.dumps(it)}\n" for it in tale.values()))
    assert main([str(tmp_path)]) == 1
    place = f"{file}:{[*tale].index('report') + 1}: P6"
    assert place in capsys.readouterr().out


def test_good_histories_end_with_zero_and_no_file_at_all_is_no_success(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == main([]) == main([str(tmp_path / "missing")]) == 2
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rotation().values())))
    assert main([str(tmp_path)]) == 0


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"t": 0}', '{"t": 0, "do": "dance"}', '{"t": 0, "do": "begin"}']
)
def test_what_is_no_history_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    assert main([str(tmp_path)]) == 2
    with pytest.raises(NotAHistoryError, match="line 1"):
        check([text])


def test_the_checker_imports_nothing_of_the_product() -> None:
    root = Path(__file__).parents[2] / "scripts"
    for path in (root / "check_history.py", *(root / "history").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [it.name for it in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                known = name.split(".")[0] in sys.stdlib_module_names
                assert known or name.startswith("scripts.history."), (path, name)
