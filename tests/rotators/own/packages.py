"""Python packages as an installation leaves them: modules, and metadata with entry points."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HONEST = '''
"""Two tokens in memory."""
from engine.contract import Issued
from engine.errors import NeedsHuman, VerificationFailed
from engine.secret import Sensitive

class Token:
    kind = "acme-token"
    value_field = "token"
    template_fields = frozenset({"token"})

    def __init__(self, azure, clock):
        self.tokens = {"blue": "blue-0", "green": "green-0"}

    @staticmethod
    def canonical(address, tags):
        return address if address.startswith("/kinds/acme-token/") else None

    @staticmethod
    def single_slot(tags):
        return False

    async def issue(self, job):
        slot = "green" if job.held_id == "blue" else "blue"
        self.tokens[slot] = f"{slot}-1"
        return Issued(slot, {"token": Sensitive(self.tokens[slot])}, job.held_id)

    async def verify(self, source, credential_id, credential):
        if not await self.accepts(source, credential_id, credential):
            raise VerificationFailed("refused", where=source)

    async def accepts(self, source, credential_id, credential):
        return credential.reveal() in self.tokens.values()

    async def retire(self, source, credential_id, held, held_id=None):
        if held is None or self.tokens[credential_id] == held.reveal():
            raise NeedsHuman("the vault may hold it", where=source)
        self.tokens[credential_id] = "nobody's"
'''


def package(
    folder: Path, name: str, modules: Mapping[str, str], points: Mapping[str, Mapping[str, str]]
) -> None:
    """Lay out an installed package: modules by name, and entry points by group."""
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    groups = [
        f"[{group}]\n" + "".join(f"{kind} = {value}\n" for kind, value in entries.items())
        for group, entries in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """Let a folder be one of those that packages are installed in; forgets its modules after."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            place = getattr(sys.modules[name], "__file__", None) or ""
            if place.startswith(str(folder)):
                del sys.modules[name]
