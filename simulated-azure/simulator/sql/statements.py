"""The T-SQL that a simulated server accepts: two statements that set a password, two queries.

The strict recogniser here accepts exactly these texts. Microsoft's own grammar is used instead if
its parser is available (simulator/sql/tds/grammar.py). Both return the same statements.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from simulator.sql import errors
from simulator.sql.servers import (
    ALTER_ANY_USER,
    LOGIN_MANAGER,
    MASTER,
    Account,
    Session,
    folded,
    weakness,
)

type Row = tuple[int, ...]

IDENTIFIER = r"\[(?P<name>(?:[^\]]|\]\])+)\]"
LITERAL = r"N'(?P<text>(?:[^']|'')*)'"
ALTER = re.compile(rf"ALTER (?P<kind>LOGIN|USER) {IDENTIFIER} WITH PASSWORD = {LITERAL}")
QUESTIONS = {
    "login": (
        "SELECT CASE WHEN 1 IN (HAS_PERMS_BY_NAME(NULL, NULL, N'ALTER ANY LOGIN'), "
        "IS_ROLEMEMBER(N'loginmanager'), "
        "IS_ROLEMEMBER(N'db_owner')) THEN 1 ELSE 0 END, (SELECT COUNT(*) FROM sys.sql_logins "
        "WHERE name = "
    ),
    "user": (
        "SELECT COALESCE(HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'ALTER ANY USER'), 0), "
        "(SELECT COUNT(*) FROM "
        "sys.database_principals WHERE authentication_type = 2 AND name = "
    ),
}
"""The text before the name."""
BY_LETTER = (
    r" AND LOWER\(name COLLATE Latin1_General_100_BIN2\)"
    r" = LOWER\(N'(?P=text)' COLLATE Latin1_General_100_BIN2\)\)"
)
"""What follows the name, and names it once more."""
PATTERNS = {
    kind: re.compile(f"{re.escape(text)}{LITERAL}{BY_LETTER}") for kind, text in QUESTIONS.items()
}


@dataclass(frozen=True)
class Alter:
    """ALTER LOGIN or ALTER USER with a password and nothing else."""

    kind: str
    name: str
    password: str


@dataclass(frozen=True)
class Question:
    """Whether the caller may alter logins or users here, and how many have this name."""

    kind: str
    name: str


type Statement = Alter | Question


class Grammar(Protocol):
    """A parser of statements."""

    def read(self, text: str) -> Statement:
        """Return the statement; raise SqlError if the text is not one known statement."""
        ...


class OwnGrammar:
    """Recognises the exact text of each statement, nothing else."""

    def read(self, text: str) -> Statement:
        """Return the statement."""
        if match := ALTER.fullmatch(text):
            return Alter(
                match["kind"].lower(),
                match["name"].replace("]]", "]"),
                match["text"].replace("''", "'"),
            )
        return question(text)


def question(text: str) -> Question:
    """Return the query of a SELECT; raise SqlError if it is not a known one."""
    for kind, pattern in PATTERNS.items():
        if match := pattern.fullmatch(text):
            return Question(kind, match["text"].replace("''", "'"))
    raise errors.syntax(text.partition(" ")[0])


def run(session: Session, statement: Statement) -> Row:
    """Run a statement in a session and return its row; raise SqlError."""
    match statement:
        case Question(kind, name):
            return _answer(session, kind, name)
        case Alter():
            _alter(session, statement)
            return ()


def _answer(session: Session, kind: str, name: str) -> Row:
    permitted = _permitted(session, kind)
    target = _target(session, kind, name)
    # A caller cannot see what it may not alter.
    seen = permitted and target is not None and target.name.lower() == name.lower()
    return int(permitted), int(seen)


def _alter(session: Session, statement: Alter) -> None:
    kind, name, password = statement.kind, statement.name, statement.password
    if kind == "login" and session.database.name != MASTER:
        raise errors.wrong_place("ALTER LOGIN")
    account = _target(session, kind, name)
    if account is None or not _permitted(session, kind):
        raise errors.unknown_or_forbidden(kind, name)
    if weakness(password, account.name):
        raise errors.weak_password()
    session.server.set_password(account, password)


def _permitted(session: Session, kind: str) -> bool:
    return bool({"dbo", LOGIN_MANAGER if kind == "login" else ALTER_ANY_USER} & session.rights)


def _target(session: Session, kind: str, name: str) -> Account | None:
    accounts = session.server.logins if kind == "login" else session.database.contained
    return accounts.get(folded(name))
