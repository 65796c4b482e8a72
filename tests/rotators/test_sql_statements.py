"""No name and no password breaks out of a statement.

Microsoft's own parser reads back exactly what was put in.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import NeedsHuman
from engine.secret import Sensitive
from rotators.shared.sql_names import MAX_NAME, SqlPlace, alter, standing
from simulator.sql.errors import SqlError
from simulator.sql.statements import Alter, Grammar, OwnGrammar, Question
from simulator.sql.tds.grammar import MicrosoftGrammar

SERVER = "/subscriptions/s/resourcegroups/g/providers/microsoft.sql/servers/orders"
PLACES = {"login": SqlPlace.of(SERVER), "user": SqlPlace.of(f"{SERVER}/databases/shop")}
HOSTILE = (
    "sa]; DROP", "sa]]; DROP", "]", "]]", "[", "[sa]", "a'b", "''", "'; DROP LOGIN sa; --",
    '"quoted"', "-- comment", "/* comment", "*/", "a;b", "WITH PASSWORD", "N'x'", "GO", "app user",
    " leading", "trailing ", "no\u00a0break", "wide\u3000space", "zero\u200bwidth",
    "right\u202eto left", "naïve", "Łódź", "日本語", "😀", "ﬀ", "a" * MAX_NAME, "]" * MAX_NAME,
    "'" * MAX_NAME, "0x01", "NULL", "@name", "$(name)", "%", "_", "#temp", "{user}",
    string.punctuation.replace("\\", ""),
)  # fmt: skip
UNFIT = (
    "", "a\\b", "a\nb", "a\rb", "a\tb", "a\x00b", "a\x7fb", "a\u2028b", "a\u2029b", "\ud800",
    "a" * (MAX_NAME + 1), "😀" * 65,
)  # fmt: skip
PRINTABLE = [character for character in map(chr, range(32, 127)) if character != "\\"]
VISIBLE = st.text(
    st.characters(
        exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn"),
        exclude_characters="\\",
        max_codepoint=0xFFFF,
    ),
    min_size=1,
    max_size=MAX_NAME,
)
kinds = pytest.mark.parametrize("kind", PLACES)
quick = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_by_both(grammar: MicrosoftGrammar, text: str) -> Alter | Question:
    """Return what Microsoft's parser and the simulator's own recogniser both read."""
    read = grammar.read(text)
    assert OwnGrammar().read(text) == read
    return read


@kinds
@pytest.mark.parametrize("texts", [HOSTILE, [f"{letter}a{letter}" for letter in PRINTABLE]])
def test_a_hostile_name_or_password_comes_back_as_it_is_and_stays_inside_the_question(
    grammar: MicrosoftGrammar, kind: str, texts: Sequence[str]
) -> None:
    for text in texts:
        named = alter(PLACES[kind], text, Sensitive("Pa55word")).reveal()
        assert read_by_both(grammar, named) == Alter(kind, text, "Pa55word")
        secret = alter(PLACES[kind], "app", Sensitive(text)).reveal()
        assert read_by_both(grammar, secret) == Alter(kind, "app", text)
        assert read_by_both(grammar, standing(PLACES[kind], text).reveal()) == Question(kind, text)


@quick
@given(kind=st.sampled_from(sorted(PLACES)), name=VISIBLE, password=VISIBLE)
def test_any_name_and_any_password_come_back_as_they_are(
    grammar: MicrosoftGrammar, kind: str, name: str, password: str
) -> None:
    text = alter(PLACES[kind], name, Sensitive(password)).reveal()
    assert read_by_both(grammar, text) == Alter(kind, name, password)


@pytest.mark.parametrize("text", UNFIT)
def test_what_no_statement_can_carry_safely_is_refused_as_a_name_and_as_a_password(
    text: str,
) -> None:
    with pytest.raises(NeedsHuman):
        alter(PLACES["login"], text, Sensitive("Pa55word"))
    with pytest.raises(NeedsHuman):
        standing(PLACES["user"], text)
    if text:
        with pytest.raises(NeedsHuman) as caught:
            alter(PLACES["login"], "app", Sensitive(text))
        assert text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ALTER LOGIN [app] WITH PASSWORD = N'x'; DROP LOGIN [app]",
        "ALTER LOGIN [app] WITH PASSWORD = N'x' DROP LOGIN [app]",
        "ALTER LOGIN [app] WITH PASSWORD = N'x'\nGO\nDROP LOGIN [app]",
        "ALTER LOGIN [app] WITH PASSWORD = N'x' OLD_PASSWORD = N'y'",
        "ALTER LOGIN [app] WITH PASSWORD = N'x' UNLOCK",
        "ALTER LOGIN [app] WITH PASSWORD = 0x01 HASHED",
        "ALTER USER [app] WITH PASSWORD = N'x', NAME = [other]",
        "ALTER LOGIN [app] DISABLE",
        "DROP LOGIN [app]",
        "SELECT 1",
        "ALTER LOGIN [app WITH PASSWORD = N'x'",
        "",
    ],
)
def test_the_simulated_server_takes_nothing_but_the_statements_it_knows(
    grammar: MicrosoftGrammar, text: str
) -> None:
    understood: list[Grammar] = [grammar, OwnGrammar()]
    for server in understood:
        with pytest.raises(SqlError):
            server.read(text)
