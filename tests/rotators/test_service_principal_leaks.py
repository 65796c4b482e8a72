"""No secret of an application leaves the rotator by any way but its return value."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from engine.errors import RekeyError
from engine.secret import Sensitive
from simulator.faults import Fault
from simulator.wire import Request, Response
from tests.shared.certificate_rig import CertificateRig
from tests.shared.graph_rig import GraphRig, days
from tests.shared.promises import Ear, everything
from tests.shared.rig import OPERATION


@pytest.fixture
def rig() -> GraphRig:
    """A world with one application."""
    return GraphRig()


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to the root logger and all of Azure's at DEBUG."""
    loggers, handler = [logging.getLogger(name) for name in ("", "azure", "aiohttp", "msal")], Ear()
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    logging.getLogger("azure.core").debug("the ear hears")
    yield handler
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


async def test_nothing_of_a_whole_rotation_is_logged(rig: GraphRig, ear: Ear) -> None:
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job())
    await rotator.verify(rig.app.app_id, issued.credential_id, issued.fields["secret"])
    await rotator.tidy(rig.app.app_id, OPERATION, keep=issued.credential_id)
    await rotator.retire(rig.app.app_id, rig.first.key_id, issued.fields["secret"])
    heard = "\n".join([*ear.heard, repr(issued), repr(vars(rotator))])
    assert "the ear hears" in heard
    for secret in (rig.first.secret, issued.fields["secret"].reveal()):
        assert secret not in heard


async def test_neither_a_key_nor_an_assertion_of_a_certificate_is_logged(ear: Ear) -> None:
    rig = CertificateRig()
    rotator = rig.rotator()
    issued = await rotator.issue(rig.job())
    value = issued.fields["certificate"]
    await rotator.verify(rig.source, issued.credential_id, value)
    await rotator.retire(rig.source, rig.first.key_id, value)
    heard = "\n".join([*ear.heard, repr(issued), repr(vars(rotator))])
    forms = [parse_qs(exchange.request.body.decode()) for exchange in rig.world.exchanges]
    assertions = {text for form in forms for text in form.get("client_assertion", ())}
    assert len(assertions) == 2
    assert "the ear hears" in heard
    for secret in (*rig.planted(), value.reveal(), *assertions):
        assert secret not in heard


async def test_a_refused_sign_in_carries_no_secret_and_no_cause(rig: GraphRig) -> None:
    rig.directory.lags = (days(1),)
    issued = await rig.rotator().issue(rig.job())
    with pytest.raises(RekeyError) as caught:
        await rig.rotator().verify(rig.app.app_id, issued.credential_id, issued.fields["secret"])
    assert issued.fields["secret"].reveal() not in everything(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_service_that_repeats_the_secret_in_its_answer_is_not_quoted(
    rig: GraphRig, status: int
) -> None:
    planted = Sensitive("planted~secret-planted~secret-planted")

    def echo(request: Request) -> bool:
        return request.host in ("login.microsoftonline.com", "graph.microsoft.com")

    page = Response(status, {"Content-Type": "text/html"}, planted.reveal().encode())
    rig.world.faults.append(Fault(echo, page, times=99))
    for call in (
        rig.rotator().issue(rig.job()),
        rig.rotator().verify(rig.app.app_id, rig.first.key_id, planted),
        rig.rotator().retire(rig.app.app_id, rig.first.key_id, planted),
    ):
        with pytest.raises(RekeyError) as caught:
            await call
        assert planted.reveal() not in everything(caught.value)
