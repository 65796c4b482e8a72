"""A tag ReplicaOf is a wish: it hides no incident, and gives nobody power over another secret."""

from __future__ import annotations

import pytest

from tests.api.test_incidents import begin, scattered
from tests.shared.scene import send


@pytest.mark.parametrize("text", ["nonsense", "", "https://prod.vault.azure.net/secrets/a b"])
async def test_a_tag_that_names_no_secret_hides_the_progress_of_no_incident(text: str) -> None:
    """One secret's writer would blind everybody to every incident, the dry run included."""
    rig = scattered()
    rig.vault.put("odd", "x", tags={"ReplicaOf": text})
    accepted = await begin(rig.api(), everything=True)
    path = {"incident": accepted.body["id"]}
    answers = {
        "progress": (await send(rig.api(), "http_incident_progress", path)).status,
        "report": (await send(rig.api(), "http_incident_report", path)).status,
        "dry run": (await begin(rig.api(), {"dry_run": "true"}, key="", everything=True)).status,
    }
    assert answers == dict.fromkeys(answers, 200)
    listed = (await send(rig.api(), "http_incidents")).body["incidents"]
    assert listed[0]["status"] == "running"
