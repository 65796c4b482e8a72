"""`python -m tests.rotators.sql_rotate KIND TAGS`: one rotation in a process of its own, with nothing simulated inside it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from cloud.azure import Azure
from cloud.clock import SystemClock
from composition import credential
from engine.contract import Job, Preflight
from engine.secret import Sensitive
from rotators import registry
from simulator.reach.names import resolve_localhost, trust


async def main(kind: str, tags: dict[str, str], held: str) -> None:
    """Check, issue and verify, as the engine does; print who can sign in with what from now on."""
    async with credential(None, os.environ) as identity:
        azure = Azure(identity, os.environ["REKEY_ARM_ENDPOINT"])
        rotator = registry.build(azure, SystemClock())[kind]
        source = rotator.canonical(tags["ProviderAddress"], tags) or ""
        held_id = tags.get("CredentialId")
        job = Job(
            source, "operation", held_id, Sensitive(held), False, False, datetime.now(UTC), tags
        )
        assert isinstance(rotator, Preflight)
        await rotator.preflight(job)
        issued = await rotator.issue(job)
        await rotator.verify(source, issued.credential_id, issued.fields["password"])
        if issued.supersedes:
            await rotator.retire(source, issued.supersedes, issued.fields["password"])
    print(  # noqa: T201
        json.dumps(
            [issued.credential_id, {name: value.reveal() for name, value in issued.fields.items()}]
        )
    )


if __name__ == "__main__":
    resolve_localhost()
    trust(Path(os.environ["SSL_CERT_FILE"]))
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), sys.stdin.read()))
