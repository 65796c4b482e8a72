"""Many secrets at once: `rekey discover --save FILE`, a person edits it, `rekey adopt --from FILE`.

One line a secret, as comma-separated values. Each line is proven and adopted by itself, so the
same file can be given again until every line is done.
"""

from __future__ import annotations

import csv
import difflib
import io
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.answers import BadRequest
from cli.codes import Exit
from cli.consent import consent
from cli.proposal import TAGS, Adoption, Proposal, Wish
from cli.query import csv_text
from cli.session import Session
from cli.terminal import printable
from engine.errors import NotFound, RekeyError
from engine.state.record import parts_of

COLUMNS = ("secret", "provider", "create", "owner", "validity_days", "rotator")
"""What a person edits; every option of `rekey adopt` may be a column."""
ABOUT = ("kind", "credential", "age_days", "ends", "switch_off")
"""What tells a person which line to keep; nothing is read from it."""
YES, NO = ("yes", "y", "true", "1"), ("", "no", "n", "false", "0")
HEADS = ("status", "secret", "why")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file, and what became of it."""

    number: int
    cells: Mapping[str, str]
    proposal: Proposal | None = None
    problem: RekeyError | None = None


async def adopt(session: Session, args: Namespace) -> int:
    """Prove every line, ask once, then adopt what was proven; a line that fails stops no other."""
    adoption = await Adoption.of(session)
    lines: list[Line] = []
    for line in _read(args.from_file):
        lines.append(await _proposed(session, adoption, line, lines))
    warned = [line for line in lines if line.proposal and line.proposal.warning]
    if warned and not args.yes and not args.dry_run:
        for line in warned:
            session.terminal.note(f"{line.cells['secret']}: {_warning(line)}")
        warning = f"secrets with a warning: {len(warned)} of {len(lines)}"
        consent(session.terminal, session.person, warning, "Put all of them under management?")
    if not args.dry_run:
        lines = [await _carried_out(adoption, line) for line in lines]
    _show(session, lines, dry_run=args.dry_run)
    return Exit.FOUND if any(line.problem for line in lines) else Exit.FINE


def save(path: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a file for a person to edit; BadRequest where there is one already."""
    heads = (*COLUMNS, *ABOUT)
    body = [[printable(row.get(name, "")) for name in heads] for row in rows]
    try:
        with Path(path).open("x", encoding="utf-8", newline="") as file:
            file.write(csv_text([heads], body))
    except FileExistsError:
        fix = "name another file: what a person wrote there would be lost"
        raise BadRequest(f"{path} is there already", fix=fix) from None
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        raise BadRequest(what, fix="name another file") from None


def _read(path: str) -> list[Line]:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} cannot be read: {error}", fix="name a CSV file") from None
    first = text.partition("\n")[0]
    # Spreadsheets of many countries write semicolons.
    mark = ";" if first.count(";") > first.count(",") else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=mark, restkey="", strict=True)
    try:
        heads, rows = [(name or "").strip() for name in reader.fieldnames or ()], list(reader)
    except csv.Error as error:
        fix = "close the quote, or shorten the cell, in what follows that line"
        raise BadRequest(f"{path}, after line {reader.line_num}: {error}", fix=fix) from None
    if problems := list(_wrong_heads(heads)):
        raise BadRequest(f"{path}: {'; '.join(problems)}", fix="see adopt --from in docs/cli.md")
    return [
        Line(number, {str(name).strip(): str(cell or "").strip() for name, cell in row.items()})
        for number, row in enumerate(rows, start=2)
    ]


def _wrong_heads(heads: Sequence[str]) -> Iterator[str]:
    known = {"secret", "create", *TAGS, *ABOUT}
    for name in ("secret", "provider"):
        if name not in heads:
            yield f"there is no column {name}"
    for name, times in Counter(heads).items():
        if times > 1:
            yield f"column {name[:40]!r} stands twice"
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield f"column {name[:40]!r} means nothing" + (f": {near[0]}?" if near else "")


async def _proposed(
    session: Session, adoption: Adoption, line: Line, earlier: Sequence[Line]
) -> Line:
    if not line.cells["secret"]:
        return line
    try:
        wish = _wish(session, line)
        _refuse_named(wish, earlier)
        proposal = await adoption.proposed(wish)
    except RekeyError as problem:
        if isinstance(problem, NotFound) and problem.what.startswith("there is no secret"):
            problem.fix = f"write yes under create, if there is none yet; {problem.fix}"
        return Line(line.number, line.cells, problem=problem)
    ref = proposal.adopted.ref
    adoption.taken.update(dict.fromkeys(parts_of(proposal.managed.source), ref))
    return Line(line.number, line.cells, proposal)


def _refuse_named(wish: Wish, earlier: Sequence[Line]) -> None:
    """Refuse a secret that another line puts under management: the later would replace the value."""
    name = str(wish.ref).lower()
    if any(line.proposal and str(line.proposal.adopted.ref).lower() == name for line in earlier):
        raise BadRequest("an earlier line names the secret", fix="give each line a name of its own")


def _wish(session: Session, line: Line) -> Wish:
    cells, create = line.cells, line.cells.get("create", "").lower()
    if create not in (*YES, *NO):
        raise BadRequest(f"create is {create[:40]!r}", fix="write yes, or nothing")
    if not cells["provider"]:
        raise BadRequest("provider is empty", fix="write the id of what issues the credential")
    tags = {tag: cells[option] for option, tag in TAGS.items() if cells.get(option)}
    tags.setdefault("ValidityPeriodDays", "90")
    return Wish(session.secret(cells["secret"]), tags, create=create in YES, again=True)


async def _carried_out(adoption: Adoption, line: Line) -> Line:
    if line.proposal is None:
        return line
    try:
        return Line(line.number, line.cells, await adoption.carried_out(line.proposal))
    except RekeyError as problem:
        return Line(line.number, line.cells, problem=problem)


def _warning(line: Line) -> str:
    return line.proposal.warning if line.proposal else ""


def _status(line: Line, *, dry_run: bool) -> str:
    if line.problem:
        return "failed"
    if line.proposal is None:
        return "left out"
    is_done = not dry_run or line.proposal.status == "adopted already"
    return line.proposal.status if is_done else f"would be {line.proposal.status}"


def _show(session: Session, lines: Sequence[Line], *, dry_run: bool) -> None:
    rows = [
        {
            "line": line.number,
            "secret": line.cells["secret"],
            "provider": line.cells["provider"],
            "status": _status(line, dry_run=dry_run),
            "reason": line.problem.what if line.problem else _warning(line),
            "fix": line.problem.fix if line.problem else "",
        }
        for line in lines
    ]
    counts = dict.fromkeys(sorted({str(row["status"]) for row in rows}), 0)
    for row in rows:
        counts[str(row["status"])] += 1
    if session.terminal.data({"counts": counts, "lines": rows}, "lines"):
        return
    session.terminal.progress("")
    total = ", ".join(f"{count} {status}" for status, count in counts.items())
    session.terminal.line(f"lines: {len(rows)}" + (f" ({total})" if total else ""))
    session.terminal.line()
    session.terminal.table(HEADS, [_row(row) for row in rows])


def _row(row: Mapping[str, object]) -> tuple[str, str, str]:
    why = ". Fix: ".join(str(row[name]) for name in ("reason", "fix") if row[name])
    return str(row["status"]), str(row["secret"] or row["provider"]), why
