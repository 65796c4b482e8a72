"""Who read a secret, asked of the workspace that gets its vault's audit log.

Columns: https://learn.microsoft.com/azure/azure-monitor/reference/tables/azkvauditlogs. Where a
diagnostic setting still writes to AzureDiagnostics, the columns are the fields of
https://learn.microsoft.com/azure/key-vault/general/logging with the endings of their types. In
published recordings `Id` names the version that was handed out, also where the request named none,
and a refused read has the result `Success`, so the status decides.
"""

from __future__ import annotations

import re
from datetime import datetime

from cloud.azure import Azure
from cloud.rest.client import Json
from cloud.rest.logs import Logs
from engine.errors import NeedsHuman, TransientError
from engine.secret import SecretRef
from engine.state.history import Read, Readers, readers_of

VAULT = re.compile(r"https://[a-z0-9.-]+(:[0-9]+)?")
NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
"""What some tokens call the claims `upn` and `oid`."""
MOST = 500
"""How many rows an answer holds at most: one for each identity and version."""
# A workspace has one table or the other, and a fuzzy union needs one part that exists:
# https://learn.microsoft.com/kusto/query/union-operator. AzureDiagnostics gets a column when the
# first row needs it, and a query that names one before that fails.
QUERY = """\
union isfuzzy=true (datatable(TimeGenerated: datetime, OperationName: string, Status: int, \
Id: string, Uri: string, Resource: string, Person: string, App: string, Object: string)[]),
(AZKVAuditLogs
| where TimeGenerated > ago({days}d)
| project TimeGenerated, OperationName, Status = HttpStatusCode, Id, Uri = RequestUri,
  Resource = tostring(Identity.claim.xms_mirid), App = tostring(Identity.claim.appid),
  Person = coalesce(tostring(Identity.claim.upn), tostring(Identity.claim['{upn}'])),
  Object = coalesce(tostring(Identity.claim.oid), tostring(Identity.claim['{oid}']))),
(AzureDiagnostics
| where TimeGenerated > ago({days}d) and ResourceProvider == 'MICROSOFT.KEYVAULT'
| project TimeGenerated, OperationName,
  Status = toint(column_ifexists('httpStatusCode_d', real(null))),
  Id = tostring(column_ifexists('id_s', '')), Uri = tostring(column_ifexists('requestUri_s', '')),
  Resource = tostring(column_ifexists('identity_claim_xms_mirid_s', '')),
  App = tostring(column_ifexists('identity_claim_appid_g', '')),
  Person = coalesce(tostring(column_ifexists('identity_claim_upn_s', '')),
    tostring(column_ifexists('identity_claim_{flat_upn}_s', ''))),
  Object = coalesce(tostring(column_ifexists('identity_claim_oid_g', '')),
    tostring(column_ifexists('identity_claim_{flat_oid}_g', ''))))
| where Id startswith '{vault}/' or Uri startswith '{vault}/'
| extend IsRead = OperationName == 'SecretGet' and Status == 200 and \
Id startswith '{vault}/secrets/{name}/'
| extend Version = iff(IsRead, tostring(split(Id, '/')[5]), ''),
  Resource = iff(IsRead, Resource, ''), Person = iff(IsRead, Person, ''),
  App = iff(IsRead, App, ''), Object = iff(IsRead, Object, '')
| summarize Reads = countif(IsRead), Last = max(TimeGenerated) \
by Version, Resource, Person, App, Object
| order by Last desc
| take {most}"""
"""Reads by identity and version, and one row for all else that the vault was asked."""


class VaultLog:
    """The workspace that gets the audit logs of the vaults; see engine.ports.AuditLog."""

    def __init__(self, azure: Azure) -> None:
        self._logs = Logs(azure)
        self._own = azure.identity_name or ""

    @property
    def is_known(self) -> bool:
        """Return whether a setting names a workspace."""
        return self._logs.is_known

    async def readers(self, ref: SecretRef, days: int) -> Readers:
        """Return who read a secret in the last days."""
        answer = await self._logs.ask(query_of(ref, days), days, "asking the vault's audit log")
        try:
            reads = [_read(row) for row in answer.rows if row["Reads"]]
        except (LookupError, TypeError, ValueError):
            raise TransientError(
                "the vault's audit log was answered with other columns than asked for",
                where=str(ref),
            ) from None
        is_partial = answer.is_partial or len(answer.rows) >= MOST
        return Readers(readers_of(reads, self._own), days, bool(answer.rows), is_partial)


def query_of(ref: SecretRef, days: int) -> str:
    """Return the query; raises NeedsHuman rather than put anything but two names into it."""
    if not (VAULT.fullmatch(ref.vault) and NAME.fullmatch(ref.name)):
        raise NeedsHuman(f"{str(ref)[:200]!r} is no secret's URL")
    return QUERY.format(
        vault=ref.vault,
        name=ref.name,
        days=int(days),
        most=MOST,
        upn=UPN,
        oid=OID,
        flat_upn=_flat(UPN),
        flat_oid=_flat(OID),
    )


def _flat(claim: str) -> str:
    """Return a claim as the name of a column has it."""
    return re.sub(r"[^0-9A-Za-z]+", "_", claim)


def _read(row: Json) -> Read:
    """Read a row; raises LookupError, TypeError or ValueError for what the query cannot give."""
    return Read(
        version=str(row["Version"]),
        resource=str(row["Resource"] or ""),
        person=str(row["Person"] or ""),
        application=str(row["App"] or ""),
        oid=str(row["Object"] or ""),
        count=int(row["Reads"]),
        last=datetime.fromisoformat(row["Last"]),
    )
