"""A real Redis judges the keys of caches, and what Rekey makes of its answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from cloud.azure import NO_ANSWER
from cloud.databases import problems
from cloud.databases.redis import RedisServers, _ask, meaning
from engine.errors import PermanentError, RekeyError, TransientError, VerificationFailed
from engine.secret import Sensitive
from tests.redis import Redis
from tests.servers import free_port
from tests.shared.promises import everything

pytestmark = pytest.mark.usefixtures("drained")
FIRST, SECOND, OTHER = ("A" * 43 + "=", "b+/" * 14 + "9=", "C" * 43 + "=")
HOSTILE = (
    "x y\r\nFLUSHALL\r\n",
    "'\"\\",
    "h\u00fcnter \U0001f600",
    "*2\r\n$4\r\nPING\r\n",
    "k" * 512,
)
REDIS = RedisServers()


async def tried(server: str, key: str) -> RekeyError | None:
    """Try a key; return what speaks against it, which must not show it."""
    try:
        await REDIS.sign_in(server, "", "", Sensitive(key))
    except RekeyError as error:
        problem = error
    else:
        return None
    assert key not in everything(problem)
    return problem


async def test_both_keys_sign_in_and_no_other(redis: Redis) -> None:
    redis.accept(FIRST, SECOND)
    assert [await tried(redis.server, key) for key in (FIRST, SECOND)] == [None, None]
    assert isinstance(await tried(redis.server, OTHER), VerificationFailed)


async def test_a_replaced_key_is_refused_and_the_other_one_is_not(redis: Redis) -> None:
    redis.accept(FIRST, SECOND)
    redis.accept(FIRST, OTHER)
    assert isinstance(await tried(redis.server, SECOND), VerificationFailed)
    assert [await tried(redis.server, key) for key in (FIRST, OTHER)] == [None, None]


@pytest.mark.parametrize("key", HOSTILE, ids=range(len(HOSTILE)))
async def test_what_a_value_holds_stays_one_word_of_one_command(redis: Redis, key: str) -> None:
    redis.accept(FIRST)
    assert isinstance(await tried(redis.server, key), VerificationFailed)
    assert await tried(redis.server, FIRST) is None


async def test_an_unknown_authority_is_not_trusted(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    problem = await tried(redis.server, FIRST)
    assert problem
    assert problem.code == problems.UNTRUSTED


async def test_a_cache_that_nobody_reaches_is_no_refusal() -> None:
    problem = await tried(f"localhost:{free_port()}", FIRST)
    assert isinstance(problem, TransientError)
    assert problem.code == problems.NOT_REACHED
    assert problem.fix


def trusted_tls(
    trusted: pytest.MonkeyPatch, folder: Path, name: str = "localhost"
) -> ssl.SSLContext:
    """Return TLS whose authority this process trusts."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    trusted.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
    return context


@pytest.mark.parametrize("content", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 5000])
async def test_what_is_no_redis_proves_nothing(
    content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(content)
        writer.close()

    context = trusted_tls(monkeypatch, tmp_path)
    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with listener:
        problem = await tried(f"localhost:{listener.sockets[0].getsockname()[1]}", FIRST)
    assert problem
    assert problem.code in (NO_ANSWER, "NotRedis", problems.NOT_REACHED)


@asynccontextmanager
async def accepting(tls: ssl.SSLContext, heard: bytearray) -> AsyncIterator[str]:
    """Serve what accepts every key, and keeps what it hears."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(FIRST.encode() + b"\r\n"))
        writer.write(b"+OK\r\n")
        heard.extend(await reader.readuntil(b"PING\r\n"))
        writer.write(b"+PONG\r\n")
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with listener:
        yield f"localhost:{listener.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(("login", "words"), [("", b"*2\r\n"), ("app", b"*3\r\n")])
async def test_a_key_is_tried_for_the_user_that_has_it(
    login: str, words: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard = bytearray()
    async with accepting(trusted_tls(monkeypatch, tmp_path), heard) as server:
        await REDIS.sign_in(server, "", login, Sensitive(FIRST))
    assert heard.startswith(words + b"$4\r\nAUTH\r\n")
    assert (b"\r\napp\r\n" in heard) == bool(login)


async def test_a_server_with_the_certificate_of_another_one_gets_no_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All engines take their TLS from one place."""
    heard, tls = bytearray(), trusted_tls(monkeypatch, tmp_path, "elsewhere.example")
    async with accepting(tls, heard) as server:
        problem = await tried(server, FIRST)
    assert problem
    assert problem.code == problems.UNTRUSTED
    assert not heard


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("+PONG", None),
        ("-WRONGPASS invalid username-password pair or user is disabled.", VerificationFailed),
        ("-NOAUTH Authentication required.", VerificationFailed),
        ("-ERR invalid password", VerificationFailed),
        ("-ERR max number of clients reached", TransientError),
        ("-LOADING Redis is loading the dataset in memory", TransientError),
        ("-MASTERDOWN Link with MASTER is down", TransientError),
        ("-ERR unknown command 'AUTH', with args beginning with: 'key'", PermanentError),
        ("-NOPERM this user has no permissions to run the 'ping' command", PermanentError),
        ("+OK", PermanentError),
        ("", PermanentError),
    ],
)
def test_an_answer_means_what_redis_says(answer: str, error: type[RekeyError] | None) -> None:
    problem = meaning("shop.example:6380", answer)
    assert (problem and type(problem)) == error
    assert "key'" not in str(problem)


async def test_a_word_is_as_long_as_its_bytes_are() -> None:
    sent, reader = list[bytes](), asyncio.StreamReader()
    reader.feed_data(b"+OK\r\n")

    class Writer:
        write = staticmethod(sent.append)

        async def drain(self) -> None:
            return

    assert await _ask(reader, Writer(), "AUTH", "\u00fc\U0001f600") == "+OK"  # type: ignore[arg-type]
    assert b"".join(sent) == b"*2\r\n$4\r\nAUTH\r\n$6\r\n" + "\u00fc\U0001f600\r\n".encode()
