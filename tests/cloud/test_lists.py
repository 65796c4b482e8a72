"""Lists of Resource Manager: read page by page, and none is taken for empty or led away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from cloud.azure import NOT_READ
from cloud.rest.arm import Arm
from engine.errors import PermanentError, TransientError
from simulator.reach.transport import Call
from simulator.wire import Request, Response, json_response
from tests.shared.rig import Rig

PATH = "/subscriptions/x/servers"


@dataclass
class Answers:
    """Answers to calls of Resource Manager, in this order; the last one stays."""

    bodies: list[object]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: Request, call: Call) -> Response:
        if not request.path.startswith(PATH):
            return await call()
        self.asked.append(request.path)
        return json_response(200, self.bodies[min(len(self.asked), len(self.bodies)) - 1])


async def names(answers: Answers) -> Sequence[str]:
    """Read a list that has these pages."""
    arm = Arm(Rig().azure(answers), "2025-01-01", "Role")
    return [row["name"] async for row in arm.pages(PATH, "listing servers", "here")]


async def test_a_list_is_read_page_by_page_to_its_end() -> None:
    azure = Rig().azure(Answers([]))
    first = {"value": [{"name": "a"}], "nextLink": f"{azure.arm_endpoint}{PATH}/more?page=2"}
    answers = Answers([first, {"value": []}])
    assert await names(answers) == ["a"]
    assert answers.asked == [PATH, f"{PATH}/more"]


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {"name": "a"}}, {"value": "a"}])
async def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(body: object) -> None:
    """It would hide all that is there, such as who may sign in with a key."""
    with pytest.raises(
        TransientError, match="listing servers was answered without a list"
    ) as caught:
        await names(Answers([body]))
    assert (caught.value.where, caught.value.code) == ("here", NOT_READ)


@pytest.mark.parametrize("host", ["https://elsewhere.example", "http://management.azure.com"])
async def test_no_further_page_is_read_from_another_host(host: str) -> None:
    answers = Answers([{"value": [{"name": "a"}], "nextLink": f"{host}{PATH}"}])
    with pytest.raises(PermanentError, match="leads to another host"):
        await names(answers)
    assert answers.asked == [PATH]
