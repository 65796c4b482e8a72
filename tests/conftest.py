"""What tests of every room share.

One Hypothesis profile for all tests: without a deadline, since no test may depend on time. And one
Azure CLI, which takes
seconds to start: only tests that use it start it.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.az.program import AzureCli, running
from tests.az.stage import Stage, signed_in

settings.register_profile("rekey", deadline=None)
settings.load_profile("rekey")


@pytest.fixture(scope="session")
def azure_cli() -> Iterator[AzureCli]:
    with running() as az:
        yield az


@pytest.fixture(scope="session")
def stage(azure_cli: AzureCli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with signed_in(azure_cli, tmp_path_factory.mktemp("stage")) as ready:
        yield ready
