"""Redis over TLS: prove an access key by AUTH and PING, which change nothing.

Two commands on a connection of their own. A client library would bring a pool, reconnections and
further commands (HELLO, CLIENT SETINFO), and keep the key for them; the protocol of these two is
two lines: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from cloud.databases import problems
from cloud.databases.address import LOGIN_SECONDS, host_and_port, verified_tls
from engine.errors import RekeyError, VerificationFailed
from engine.secret import Sensitive

PORT = 6380
MOST = 1024
"""Bytes of an answer's line."""
PONG = "+PONG"
WRONG = ("-WRONGPASS", "-NOAUTH", "-ERR invalid password")
"""How a server refuses a key: of Redis 6 and later, without AUTH, and before Redis 6."""
PASSING = frozenset({"LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN"})
CROWDED = "-ERR max number of clients"
CODE = re.compile(r"-([A-Z]{1,20})\b")


class RedisServers:
    """Redis caches, by host name, perhaps with a port."""

    async def sign_in(self, server: str, database: str, login: str, password: Sensitive) -> None:
        """Try an access key once, on a new connection; raises VerificationFailed for a refused one.

        `login` is a user of Redis; empty for the one whose passwords the access keys are.
        `database` means nothing here: a key opens all of them.
        """
        del database
        if problem := await _attempt(server, login, password):
            raise problem


def meaning(server: str, answer: str) -> RekeyError | None:
    """Return what the last line of an answer means; None for an accepted key.

    No text of the server is passed on, since it may quote a command.
    """
    if answer == PONG:
        return None
    if answer.startswith(WRONG):
        return VerificationFailed(
            "the cache refuses the key",
            where=server,
            fix="see whether its keys were changed by hand just now",
        )
    match = CODE.match(answer)
    code = match[1] if match else "NotRedis"
    if code in PASSING or answer.startswith(CROWDED):
        return problems.busy(server, code)
    return problems.other(server, code)


async def _attempt(server: str, login: str, password: Sensitive) -> RekeyError | None:
    """Ask; an error that may hold the key does not leave this function."""
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            return meaning(server, await _talk(server, login, password.reveal()))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
        return problems.unanswered(server, error)
    except OSError as error:
        return problems.unreached(server, error)


async def _talk(server: str, login: str, key: str) -> str:
    """Send AUTH and, where that is accepted, PING; return the line of the last answer."""
    host, port = host_and_port(server, PORT)
    reader, writer = await asyncio.open_connection(
        host, port, ssl=verified_tls(), limit=MOST, ssl_shutdown_timeout=1
    )
    try:
        answer = await _ask(reader, writer, "AUTH", *([login] if login else []), key)
        return await _ask(reader, writer, "PING") if answer == "+OK" else answer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *words: str) -> str:
    """Send one command and return the line of its answer."""
    writer.write(f"*{len(words)}\r\n".encode())
    for word in words:
        content = word.encode()
        writer.write(b"$%d\r\n%b\r\n" % (len(content), content))
    await writer.drain()
    return (await reader.readuntil(b"\r\n")).decode(errors="replace").rstrip("\r\n")
