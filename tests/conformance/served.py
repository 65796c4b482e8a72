"""The example endpoint of examples/own-kind, served over TLS on loopback, whole or broken."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

EXAMPLE = Path(__file__).parents[2] / "examples" / "own-kind" / "endpoint"
KEY = "a-key-that-only-this-test-knows-0123456789"


def _module(name: str) -> Any:
    """Load a module of the example under its own name, as it would be in its folder."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


signatures = _module("signatures")
server = _module("server")


@contextmanager
def serving(folder: Path, tokens: Any, checks: Any = signatures.Signatures) -> Iterator[Path]:
    """Serve tokens, and yield the file that `rekey conformance` plays them with.

    `checks` is what looks at signatures; tokens of another sort than two slots say so in `PLAN`.
    """
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    certificate, trusted, plan = (folder / name for name in ("cert.pem", "ca.pem", "plan.json"))
    made.private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(trusted)
    known = checks({"dev": KEY.encode()})
    running = server.serve(known, tokens, 0, certificate, certificate)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        shown = server.plan(running.server_address[1], tokens, KEY, trusted)
        plan.write_text(json.dumps({**shown, **getattr(tokens, "PLAN", {})}))
        yield plan
    finally:
        running.shutdown()
        running.server_close()
