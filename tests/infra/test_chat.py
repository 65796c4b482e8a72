"""infra/chat.bicep turns alerts into what Teams and Slack show, and keeps the webhook secret."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra import deployed
from tests.infra.bicep import predicted
from tests.shared.once import once

ESSENTIALS = {
    "alertRule": "rekey-parked",
    "severity": "Sev1",
    "monitorCondition": "Fired",
    "description": (
        "A secret cannot be rotated. https://wiki.contoso.example/rekey#a-secret-is-parked"
    ),
}
DIMENSIONS = [
    {"name": "vault", "value": "https://prod.vault.azure.net"},
    {"name": "secret", "value": "app-key"},
]
ALERT = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": ESSENTIALS,
        "alertContext": {"condition": {"allOf": [{"dimensions": DIMENSIONS}]}},
    },
}
"""What matters of https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema."""
STEP = r"\?\[(?:'\w+'|0)\]"


def sent(body: Any) -> Any:
    """Fill an alert into a message as the workflow does: each expression is a path into its body."""

    def value(match: re.Match[str]) -> str:
        reached: Any = ALERT
        for step in re.findall(STEP, match[1]):
            reached = reached[ast.literal_eval(step[2:-1])]
        # Within a text, what is no text is written as JSON.
        text = reached if isinstance(reached, str) else json.dumps(reached)
        return json.dumps(text)[1:-1]

    text = json.dumps(body)
    return json.loads(re.sub(rf"@\{{triggerBody\(\)((?:{STEP})+)\}}", value, text))


@pytest.fixture(scope="module", params=["Teams", "Slack"])
def chat(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return what would be deployed for one product."""
    product = str(request.param)
    text = once(
        tmp_path_factory,
        f"chat-{product}.json",
        lambda: would_be_deployed(product, tmp_path_factory.mktemp("chat")),
    )
    return {"product": product, **json.loads(text)}


def would_be_deployed(product: str, folder: Path) -> str:
    parameters = (
        f"param name = 'chat'\nparam product = '{product}'\nparam webhookUrl = "
        "'https://hooks.example/s3cr3t'"
    )
    run = predicted(folder, parameters, "chat.bicep")
    assert run.code == 0, run.said
    return (folder / "case.snapshot.json").read_text()


def definition(chat: dict[str, Any]) -> dict[str, Any]:
    workflow = deployed.only(chat, "Microsoft.Logic/workflows")
    return dict(workflow["properties"]["definition"])


def test_the_channel_is_shown_what_fired_why_the_link_and_which_secret_in_its_form(
    chat: dict[str, Any],
) -> None:
    message = sent(definition(chat)["actions"]["post"]["inputs"]["body"])
    title, why = "Fired: rekey-parked (Sev1)", ESSENTIALS["description"]
    about = json.dumps(DIMENSIONS)
    if chat["product"] == "Slack":
        assert message == {"text": f"*{title}*\n{why}\n{about}"}
        return
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["text"] for block in attachment["content"]["body"]] == [title, why, about]


def test_an_alert_starts_the_workflow_which_posts_json_to_the_webhook(chat: dict[str, Any]) -> None:
    ((name, trigger),) = definition(chat)["triggers"].items()
    assert (trigger["type"], trigger["kind"]) == ("Request", "Http")
    group = deployed.only(chat, "Microsoft.Insights/actionGroups")["properties"]
    assert group["enabled"] is True
    assert f"/triggers/{name}'" in group["logicAppReceivers"][0]["callbackUrl"]
    inputs = definition(chat)["actions"]["post"]["inputs"]
    assert inputs["method"] == "POST"
    assert inputs["headers"] == {"Content-Type": "application/json"}
    assert inputs["uri"] == "@parameters('webhookUrl')"


def test_the_webhook_is_in_no_part_that_a_reader_sees(chat: dict[str, Any]) -> None:
    assert "hooks.example" not in json.dumps(chat)
    workflow = definition(chat)
    assert workflow["parameters"]["webhookUrl"]["type"] == "SecureString"
    configuration = workflow["actions"]["post"]["runtimeConfiguration"]
    assert configuration["secureData"]["properties"] == ["inputs"]
    assert "listCallbackUrl" not in json.dumps(chat["outputs"])


def test_the_action_group_passes_alerts_on_in_the_schema_that_is_read(chat: dict[str, Any]) -> None:
    group = deployed.only(chat, "Microsoft.Insights/actionGroups")
    (receiver,) = group["properties"]["logicAppReceivers"]
    assert receiver["useCommonAlertSchema"] is True
    assert receiver["resourceId"] == deployed.only(chat, "Microsoft.Logic/workflows")["id"]
    assert chat["outputs"]["actionGroupId"] == group["id"]
