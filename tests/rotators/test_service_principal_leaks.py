"""No secret of an application leaves the rotator by any way but its return value."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from tests.shared.certificate_rig import CertificateRig
from tests.shared.promises import Ear


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
