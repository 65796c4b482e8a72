"""Microsoft's parser takes the question of who read a secret as it is sent."""

from __future__ import annotations

from cloud.rest.vault_log import query_of
from engine.secret import SecretRef
from simulator.telemetry import vault_logs
from simulator_tests.telemetry.kusto import parsed

REF = SecretRef("https://prod.vault.azure.net", "app-key")


def test_microsofts_parser_finds_nothing_wrong_with_the_query() -> None:
    query = query_of(REF, 30)
    misspelt = query.replace("Status = HttpStatusCode", "Status = HttpStatus")
    verdicts = parsed({"ours": query, "misspelt": misspelt})
    columns = [name for name, _ in vault_logs.COLUMNS]
    assert verdicts["ours"] == {"complaints": [], "columns": columns}
    assert verdicts["misspelt"]["complaints"]
