"""Passwords and sign-ins of SQL servers: what is made up, what proves one, and who the app is."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from cloud.sql.driver import SENT_WITHIN
from cloud.sql.errors import NO_DATABASE
from engine.errors import NeedsHuman, TransientError, VerificationFailed
from engine.secret import Sensitive
from rotators.shared.sql_identity import described
from rotators.shared.sql_names import checked
from rotators.shared.sql_passwords import ALPHABET, LENGTH, acceptable, fresh_password
from simulator.reach.transport import SimulatedCredential
from simulator.sql.servers import weakness
from tests.shared.sql_rig import FIRST, SqlRig, password_of

# Passwords that Azure SQL takes and no connection string stumbles over.


NAMES = ["sqladmin", "a", "Ab", "0", "-", "x" * 128, "Łódź"]


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_password_is_long_mixed_and_without_the_name(name: str) -> None:
    for _ in range(200):
        password = fresh_password(name).reveal()
        assert len(password) == LENGTH >= 32
        assert weakness(password, name) is None
        for kind in ("[A-Z]", "[a-z]", "[0-9]", "[-_]"):
            assert re.search(kind, password), "MySQL's policy MEDIUM asks for all four"
        assert set(password) <= set(ALPHABET)
        assert password[0].isalpha()


@pytest.mark.parametrize("character", ["x", "Ł", "\uffff", "\U00010000", "\N{GRINNING FACE}"])
def test_a_name_has_as_many_units_as_the_server_counts(character: str) -> None:
    most = 128 // len(character.encode("utf-16-le")) * 2
    assert checked(character * most)
    with pytest.raises(NeedsHuman, match="1 to 128"):
        checked(character * (most + 1))


def test_no_two_passwords_are_the_same() -> None:
    assert len({fresh_password("app").reveal() for _ in range(1000)}) == 1000


def test_the_alphabet_means_the_same_in_every_kind_of_connection_string() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 64
    assert quote(ALPHABET, safe="") == ALPHABET
    assert not re.search(r"""['"`;{}()\[\]\\\s@:/?#&=+,$%<>|*!^~]""", ALPHABET)


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("Abcdefg1", True),
        ("Abcdef1", False),
        ("a" * 126 + "B1", True),
        ("a" * 127 + "B1", False),
        ("abcdefgh", False),
        ("abcdefg1", False),
        ("abcdefg1-", True),
        ("ABCDEFG1", False),
        ("xxAPPxx1-", False),
        ("xxaPpxx1-", False),
    ],
)
def test_the_rules_hold_at_their_edges(password: str, expected: bool) -> None:
    assert acceptable(password, "app") is expected


# When a sign-in proves a password, and when a statement is not sent any more.


KIND = "sql-login-password"


class Servers:
    """Servers that answer sign-ins as they are told, in turn and then always as the last time."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)
        self.reached = list[str]()
        self.tried = list[str]()

    async def sign_in(self, server: str, database: str, user: str, password: Sensitive) -> None:
        del database, user
        self.reached.append(server)
        self.tried.append(password.reveal())
        answer = self._answers.pop(0) if self._answers[1:] else self._answers[0]
        if answer:
            raise answer

    async def execute(self, *_: object) -> tuple[object, ...]:
        raise NotImplementedError


AWAY = NeedsHuman("the login has no user in it", code=NO_DATABASE)
BUSY = TransientError("busy", retry_after=7)


@pytest.mark.parametrize(
    ("answers", "pause"), [((AWAY,), None), ((AWAY, None), None), ((AWAY, BUSY), 7)]
)
async def test_a_server_that_turns_everybody_away_from_master_proves_nothing(
    rig: SqlRig, answers: tuple[Exception | None, ...], pause: float | None
) -> None:
    """A login without a user in master is recognised by a made-up password that is refused."""
    rotator = rig.login(sql=Servers(*answers))
    source = rig.job(rotator, rig.tags(CredentialId="app", Rotator=KIND)).source
    with pytest.raises(TransientError, match="nothing is proven") as caught:
        await rotator.accepts(source, "app", Sensitive(FIRST))
    assert (caught.value.code, caught.value.retry_after) == ("Unproven", pause)
    assert "create a user for the login in master" in caught.value.fix


async def test_beside_a_password_that_master_turns_away_one_is_tried_that_nobody_has(
    rig: SqlRig,
) -> None:
    servers = Servers(AWAY, VerificationFailed("refused"))
    rotator = rig.login(sql=servers)
    source = rig.job(rotator, rig.tags(CredentialId="app", Rotator=KIND)).source
    assert await rotator.accepts(source, "app", Sensitive(FIRST))
    assert servers.tried[0] == FIRST
    assert [len(password) for password in servers.tried[1:]] == [LENGTH]


async def test_a_contained_user_without_its_database_needs_a_person_after_one_try(
    rig: SqlRig,
) -> None:
    servers = Servers(AWAY)
    rotator = rig.login(sql=servers)
    tags = rig.tags(ProviderAddress=f"{rig.server.resource_id}/databases/shop", CredentialId="app")
    with pytest.raises(NeedsHuman, match="no user in it"):
        await rotator.accepts(rig.job(rotator, tags).source, "app", Sensitive(FIRST))
    assert servers.tried == [FIRST]


@pytest.mark.parametrize(
    ("cloud", "suffix"),
    [
        ("management.azure.com", "database.windows.net"),
        ("management.usgovcloudapi.net", "database.usgovcloudapi.net"),
        ("management.chinacloudapi.cn", "database.chinacloudapi.cn"),
    ],
)
async def test_a_server_is_reached_under_the_name_that_its_cloud_gives_it(
    rig: SqlRig, cloud: str, suffix: str
) -> None:
    servers = Servers(None)
    rotator = rig.login(sql=servers, arm_endpoint=f"https://{cloud}")
    source = rig.job(rotator, rig.tags(CredentialId="app", Rotator=KIND)).source
    assert await rotator.accepts(source, "app", Sensitive(FIRST))
    assert servers.reached == [f"orders.{suffix}"]
    assert not rig.world.exchanges


async def test_the_shortest_password_that_a_server_may_take_is_tried(rig: SqlRig) -> None:
    rig.server.add_login("app", "x", "shop")
    source = rig.job(rig.login(), rig.tags(CredentialId="app", Rotator=KIND)).source
    assert await rig.login().accepts(source, "app", Sensitive("x"))
    assert not await rig.login().accepts(source, "app", Sensitive(""))


@pytest.mark.parametrize(("late", "is_sent"), [(0, True), (1, False)])
async def test_a_process_that_was_frozen_sends_no_statement_any_more(
    rig: SqlRig, late: float, *, is_sent: bool
) -> None:
    """Its lease may have ended, and another worker may have set a password meanwhile."""
    rig.server.add_login("app", FIRST, "shop")

    class Slow(SimulatedCredential):
        async def get_token(self, *scopes: str, **options: Any) -> Any:
            rig.clock.advance(SENT_WITHIN + late)
            return await super().get_token(*scopes, **options)

    rotator = rig.login(credential=Slow(rig.world, rig.identity))
    job = rig.job(rotator, rig.tags(CredentialId="app", Rotator=KIND), FIRST, proven=True)
    if is_sent:
        assert rig.accepts("app", password_of(await rotator.issue(job)))
        return
    with pytest.raises(TransientError, match="was not sent") as caught:
        await rotator.issue(job)
    assert caught.value.code == "NotSent"
    assert rig.accepts("app", FIRST)


# Who the app is, as its own token tells.


@pytest.mark.parametrize("length", range(8))
def test_the_identity_is_named_whatever_the_length_of_its_token(length: int) -> None:
    claims = json.dumps({"appid": "a" * length, "oid": "o"}).encode()
    part = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    assert f"(application {'a' * length}, object o)" in described(Sensitive(f"head.{part}.tail"))


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.!.c", "a.bnVsbA.c"])
def test_a_token_that_says_nothing_names_nobody(token: str) -> None:
    assert described(Sensitive(token)) == "the app's identity"
