"""What the environment says of proxies counts for every call; what ~/.netrc holds goes nowhere."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cloud.test_sent_once import standing


@dataclass
class Proxy:
    """Leads to loopback, and notes what it was asked for."""

    heads: list[str] = field(default_factory=list)
    port: int = 0

    async def connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        port = int(head.split()[1].rpartition(":")[2])
        inwards, outwards = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pass_on(reader, outwards), _pass_on(inwards, writer))


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while text := await reader.read(65_536):
            writer.write(text)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxied() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


async def test_a_proxy_of_the_environment_is_used_and_signed_in_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxied() as proxy, standing() as stand:
        monkeypatch.setenv("HTTPS_PROXY", f"http://joe:p%40ss@127.0.0.1:{proxy.port}")
        await stand.publish()
    assert len(stand.vault.versions("app")) == 1
    assert proxy.heads
    host = stand.vault.url.removeprefix("https://")
    signed_in = b64encode(b"joe:p@ss").decode()
    for head in proxy.heads:
        assert head.startswith(f"CONNECT {host} ")
        assert f"Proxy-Authorization: Basic {signed_in}" in head


async def test_what_needs_no_proxy_is_called_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxied() as proxy, standing() as stand:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", ".localhost")
        await stand.publish()
    assert len(stand.vault.versions("app")) == 1
    assert proxy.heads == []


async def test_what_netrc_holds_for_every_host_is_sent_to_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A person's file may have a default. The command line then failed with each call."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login joe password planted-7f3a\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with standing() as stand:
        await stand.publish()
        sent = [it.request.header("authorization") for it in stand.running.world.exchanges]
    assert len(stand.vault.versions("app")) == 1
    assert [header for header in sent if header.startswith("Basic")] == []
    assert sent
