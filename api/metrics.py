"""GET /api/metrics: when each secret expires and was rotated, in Prometheus' text format.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/. Names and units:
https://prometheus.io/docs/practices/naming/. Times are Unix seconds, so that a query subtracts
`time()` and no series changes while nothing happens. Nothing here reads a value.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from api.answers import PROMETHEUS, Answer
from api.listing import Cursor, compared, every, missing
from api.requests import Request
from api.route import Desk
from engine import VERSION
from engine.engine import Engine
from engine.errors import RekeyError, TransientError
from engine.secret import SecretRef
from engine.state.due import is_manual
from engine.state.entry import NEEDS_A_PERSON, STATES, UNKNOWN_KIND, Entry, LastSweep
from engine.state.index import StateIndex

log = logging.getLogger("rekey.api")

type Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: a gauge with its help and its samples."""

    name: str
    help: str
    samples: Sequence[Sample]

    def text(self) -> str:
        """Write it down."""
        head = f"# HELP {self.name} {self.help}\n# TYPE {self.name} gauge\n"
        return head + "".join(
            f"{self.name}{_labels(labels)} {value:.17g}\n" for labels, value in self.samples
        )


async def metrics(at: Desk, request: Request) -> Answer:
    """Answer with every metric of all vaults, or of one; says which vault could not be listed."""
    policy, named = at.engine.policy, request.query.get("vault", "")
    vaults = [request.vault(policy, named)] if named else list(policy.scopes)
    index = await at.engine.index()
    sweeps = [last for last in await at.watch.sweeps() if last.vault in vaults]
    if index.unread or len(sweeps) < len(vaults):
        # Without them, what was dropped or is late would not be seen, and its alert would end.
        raise TransientError(
            "the app's own storage cannot be read", fix="see its log under rekey and rekey.watch"
        )
    listed = await _listed(at.engine, vaults, index)
    entries = compared([*chain.from_iterable(listed.values())], listed)
    are_listed = {vault: vault in listed for vault in vaults}
    text = "".join(family.text() for family in families(are_listed, entries, sweeps))
    return Answer(200, text, PROMETHEUS)


async def _listed(
    engine: Engine, vaults: Iterable[str], index: StateIndex
) -> dict[str, list[Entry]]:
    """Return the secrets of each vault that can be listed as a whole; raises where none can."""
    listed, last = dict[str, list[Entry]](), None
    for vault in vaults:
        try:
            listed[vault] = [entry async for entry in every(engine, [vault], index)]
        except RekeyError as error:
            last = error
            log.warning("%s", missing(Cursor(vault), error))
    if last and not listed:
        raise last
    return listed


def families(
    vaults: Mapping[str, bool], entries: Sequence[Entry], sweeps: Iterable[LastSweep]
) -> Iterator[Family]:
    """Yield every metric; those of single secrets leave out what is disabled and needs nobody.

    `vaults`: whether each could be listed. Of one that could not, no zero is told.
    """
    yield Family("rekey_build_info", "The version of Rekey.", [({"version": VERSION}, 1)])
    yield Family(
        "rekey_vault_listed",
        "1 if the secrets of the vault could be listed, else 0: they are missing then.",
        [(_vault(vault), float(is_listed)) for vault, is_listed in vaults.items()],
    )
    known = [vault for vault, is_listed in vaults.items() if is_listed]
    yield Family("rekey_secrets", "Secrets by state.", _by_state(known, entries))
    yield from _of_secrets([entry for entry in entries if _is_shown(entry)])
    yield from _of_sweeps(list(sweeps))


def _of_secrets(shown: Sequence[Entry]) -> Iterator[Family]:
    live = [entry for entry in shown if entry.secret.enabled]
    yield Family(
        "rekey_secret_info",
        "Kind, owner and state of a secret.",
        [({**_of(entry), **_about(entry)}, 1) for entry in shown],
    )
    yield Family(
        "rekey_secret_needs_person",
        "1 if a person must act on the secret, else 0.",
        [(_of(entry), float(entry.state in NEEDS_A_PERSON)) for entry in shown],
    )
    yield Family(
        "rekey_secret_expiration_timestamp_seconds",
        "When the current version expires.",
        _moments((_of(entry), entry.secret.expires) for entry in live),
    )
    yield Family(
        "rekey_secret_due_timestamp_seconds",
        "When the secret is due to be rotated.",
        _moments((_of(entry), entry.due) for entry in live),
    )
    yield Family(
        "rekey_secret_version_created_timestamp_seconds",
        "When the current version was written.",
        _moments((_of(entry), entry.secret.created) for entry in shown),
    )


def _of_sweeps(sweeps: Sequence[LastSweep]) -> Iterator[Family]:
    yield Family(
        "rekey_vault_last_sweep_timestamp_seconds",
        "When the last sweep of the vault ended.",
        _moments((_vault(last.vault), last.ended) for last in sweeps),
    )
    yield Family(
        "rekey_vault_next_sweep_timestamp_seconds",
        "When the next sweep of the vault is due.",
        _moments((_vault(last.vault), last.due) for last in sweeps),
    )


def _is_shown(entry: Entry) -> bool:
    has_dates = entry.secret.expires is not None or entry.due is not None
    is_live = entry.secret.enabled and (has_dates or entry.state != "unmanaged")
    return is_live or entry.state in NEEDS_A_PERSON


def _by_state(vaults: Sequence[str], entries: Iterable[Entry]) -> list[Sample]:
    counts = {(vault, state): 0 for vault in vaults for state in STATES}
    for entry in entries:
        counts[entry.secret.ref.vault, entry.state] += 1
    return [({**_vault(vault), "state": state}, count) for (vault, state), count in counts.items()]


def _about(entry: Entry) -> dict[str, str]:
    rotator = entry.managed.rotator.kind if entry.managed else UNKNOWN_KIND
    rotator = "manual" if is_manual(entry.secret.tags) else rotator
    rotator = "none" if entry.state == "unmanaged" else rotator
    return {
        "rotator": rotator,
        "owner": entry.secret.tags.get("Owner", ""),
        "state": entry.state,
    }


def _of(entry: Entry) -> dict[str, str]:
    ref = entry.secret.ref
    return {"vault": ref.vault_name, "secret": ref.name}


def _vault(url: str) -> dict[str, str]:
    return {"vault": SecretRef(url, "").vault_name}


def _moments(times: Iterable[tuple[Mapping[str, str], datetime | None]]) -> list[Sample]:
    return [(labels, moment.timestamp()) for labels, moment in times if moment]


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
