"""The names of vaults and secrets that the last answers showed, for the completion of a shell.

A shell reads the file itself: completing asks nobody, starts nothing, and so never waits. The file
holds names alone, and only its owner may read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from engine.secret import SecretRef

MOST = 50_000
"""How many names are kept."""


@dataclass(frozen=True, slots=True)
class Names:
    """The file: one `vault/name` a line."""

    file: Path

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Names | None:
        """Return where the names are kept, by the XDG convention; None where they are not."""
        cache = env.get("XDG_CACHE_HOME") or (f"{env['HOME']}/.cache" if env.get("HOME") else "")
        return cls(Path(cache) / "rekey" / "names") if cache else None

    def keep(self, vaults: Iterable[str], refs: Iterable[SecretRef]) -> None:
        """Replace what is known of these vaults (URLs), which were listed as a whole.

        Where that cannot be written, completion knows less: it is no error.
        """
        with suppress(OSError, UnicodeError):
            self._write({SecretRef(url, "").vault_name for url in vaults}, refs)

    def _write(self, listed: set[str], refs: Iterable[SecretRef]) -> None:
        lines = {ref.place for ref in refs if ref.vault_name in listed}
        if self.file.exists():
            known = self.file.read_text().splitlines()
            lines |= {line for line in known if line.partition("/")[0] not in listed}
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Replaced as a whole: a shell never sees half of it. Others may not read it (mode 0600).
        with NamedTemporaryFile("w", dir=self.file.parent, delete=False) as written:
            written.write("".join(f"{line}\n" for line in sorted(lines)[:MOST]))
        Path(written.name).replace(self.file)
