"""A tiny HTTPS endpoint that looks after a kind: two tokens of each of its sources, in memory.

    python server.py --certificate cert.pem --key key.pem --signing-key key.txt --port 8443

It prints what `rekey conformance` plays it with. Where it keeps its tokens, a real one would call
the system whose credentials it rotates.
"""

from __future__ import annotations

import argparse
import json
import secrets
import ssl
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from signatures import Signatures

SLOTS = ("first", "second")
MOST_BYTES = 65_536
type Answer = tuple[int, Mapping[str, Any]]


class Tokens:
    """The tokens of all sources. Every call may come again, and then does no further harm."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.sources = {"orders": {slot: secrets.token_urlsafe(24) for slot in SLOTS}}

    def answer(self, call: str, body: Mapping[str, Any]) -> Answer:
        """Answer one request of Rekey's."""
        with self._lock:
            tokens = self.sources.get(body.get("source", ""))
            if tokens is None:
                return 404, {"error": "no-such-source"}
            match call:
                case "issue":
                    return self._issue(tokens, body["slot"])
                case "verify":
                    return self._verify(tokens, body["credential_id"], body["credential"])
                case "retire":
                    return self._retire(tokens, body["credential_id"])
            return 404, {"error": "no-such-call"}

    @staticmethod
    def _issue(tokens: dict[str, str], slot: str) -> Answer:
        """Fill the slot that Rekey names. A retry fills it again, so nothing piles up."""
        tokens[slot] = secrets.token_urlsafe(24)
        return 200, {"credential_id": slot, "fields": {"token": tokens[slot]}}

    @staticmethod
    def _verify(tokens: dict[str, str], slot: str, value: str) -> Answer:
        """Say whether a token works. Without an id, whether any of them is it."""
        slots = [slot] if slot else SLOTS
        known = [tokens[each] for each in slots if each in tokens]
        accepted = any(secrets.compare_digest(each.encode(), value.encode()) for each in known)
        return 200, {"accepted": accepted}

    @staticmethod
    def _retire(tokens: dict[str, str], slot: str) -> Answer:
        """Put a token there that nobody knows."""
        tokens[slot] = secrets.token_urlsafe(24)
        return 200, {"outcome": "gone"}


def handler(signatures: Signatures, tokens: Tokens) -> type[BaseHTTPRequestHandler]:
    """Return what answers HTTP."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = MOST_BYTES  # An answer leaves in one piece.

        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MOST_BYTES))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if reason := signatures.refuses("POST", self.path, headers, body):
                print("refused:", reason, file=sys.stderr)
                self._send(401, {"error": "signature"})
                return
            self._send(*tokens.answer(self.path.removeprefix("/rekey/"), json.loads(body)))

        def _send(self, status: int, answer: Mapping[str, Any]) -> None:
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: neither a request nor an answer may stand in a log."""

    return Handler


def serve(
    signatures: Signatures, tokens: Tokens, port: int, certificate: Path, key: Path
) -> ThreadingHTTPServer:
    """Return a server that listens on loopback; its caller runs and closes it."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(signatures, tokens))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def plan(port: int, tokens: Tokens, key: str, certificate: Path) -> dict[str, Any]:
    """Return what `rekey conformance` plays this endpoint with."""
    return {
        "url": f"https://localhost:{port}/rekey",
        "strategy": "two-slots",
        "slots": list(SLOTS),
        "fields": ["token"],
        "source": "orders",
        "held": {"id": "first", "value": tokens.sources["orders"]["first"]},
        "signingKey": {"id": "dev", "key": key},
        "caFile": str(certificate),
    }


def main() -> None:
    """Serve until somebody ends it."""
    parser = argparse.ArgumentParser(description="A tiny endpoint for Rekey")
    for name in ("--certificate", "--key", "--signing-key"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--port", type=int, default=8443)
    args = parser.parse_args()
    key, tokens = args.signing_key.read_text().strip(), Tokens()
    server = serve(Signatures({"dev": key.encode()}), tokens, args.port, args.certificate, args.key)
    shown = plan(server.server_address[1], tokens, key, args.certificate.resolve())
    print(json.dumps(shown, indent=2), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
