"""The demo's credential sources: how each is created, and how a value is proven to work."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol

from azure.core.exceptions import AzureError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    Services,
    generate_account_sas,
)

from simulator.azure import GROUP, Azure
from simulator.certificates import self_signed
from simulator.identity import HOME_TENANT
from simulator.sql.errors import SqlError
from simulator.sql.servers import LOGIN_MANAGER

FIRST_PASSWORD = "First-Pa55word-of-the-shop"


class Source(Protocol):
    """One source of the demo, and the tags of its secret."""

    template: str

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the source; return its tags, and the values that it accepts (the current last)."""
        ...

    def opens(self, azure: Azure, value: str) -> bool:
        """Return whether the source accepts the vault's value."""
        ...


class Account:
    """A storage account; with a template, its secret is a connection string."""

    def __init__(self, name: str, template: str = "{key}", group: str = GROUP) -> None:
        self.name, self.template, self.group = name, template, group

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the account; both of its keys are valid."""
        account = azure.add_account(self.name, group=self.group)
        suffix = azure.domains.blob.partition(".")[2]
        tags = {"ProviderAddress": account.resource_id, "CredentialId": "key1"}
        keys = [account.keys[slot].value for slot in ("key1", "key2")]
        return tags, [
            self.template.format(account=self.name, key=key, suffix=suffix) for key in keys
        ]

    def opens(self, azure: Azure, value: str) -> bool:
        """Send a signed request with the key in the value."""
        match = re.search(r"[A-Za-z0-9+/]{86}==", value)
        key = {"account_name": self.name, "account_key": match[0] if match else ""}
        try:
            with BlobServiceClient(
                f"https://{self.name}.{azure.domains.blob}", key, retry_total=0
            ) as client:
                client.get_service_properties()
        except AzureError:
            return False
        return True


class Signature:
    """A signature that an account's key makes; the key is another secret of the same vault."""

    template = "{sas}"
    extent = "sas/account/b/sco/rl"

    def __init__(self, account: str, vault: str, key: str) -> None:
        self.account, self.vault, self.key = account, vault, key

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Sign with the key that the account has; the other secret has added it."""
        account = azure.accounts[self.account]
        tags = {
            "ProviderAddress": f"{account.resource_id}/{self.extent}",
            "DerivedFrom": f"{azure.vaults[self.vault].url}/secrets/{self.key}",
        }
        sas = generate_account_sas(
            self.account,
            account.keys["key1"].value,
            ResourceTypes(service=True, container=True, object=True),
            AccountSasPermissions(read=True, list=True),
            azure.now() + timedelta(days=30),
            services=Services(blob=True),
        )
        return tags, [sas]

    def opens(self, azure: Azure, value: str) -> bool:
        """Send a request that the signature alone permits."""
        try:
            with BlobServiceClient(
                f"https://{self.account}.{azure.domains.blob}", value, retry_total=0
            ) as client:
                client.get_service_properties()
        except AzureError:
            return False
        return True


class Application:
    """An Entra application that Rekey owns."""

    template = "{secret}"

    def __init__(self, name: str) -> None:
        self.name, self.client_id = name, ""

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the application with one secret."""
        owner = azure.managed_identity.system
        assert owner  # noqa: S101 - the stage has added it
        application = azure.add_application(self.name, owner)
        azure.directory.grant(owner, "Application.ReadWrite.OwnedBy")
        password = azure.directory.add_password(application, "made by hand")
        self.client_id = application.app_id
        return {"ProviderAddress": application.app_id, "CredentialId": password.key_id}, [
            password.secret
        ]

    def opens(self, azure: Azure, value: str) -> bool:
        """Get a token with the secret."""
        return _gets_token(
            azure,
            lambda authority: ClientSecretCredential(
                HOME_TENANT,
                self.client_id,
                value,
                authority=authority,
                disable_instance_discovery=True,
            ),
        )


class Certified(Application):
    """An Entra application that signs in with a certificate, whose key pair Key Vault makes."""

    template = "{certificate}"

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the application with one certificate."""
        owner, start = azure.managed_identity.system, azure.now().replace(microsecond=0)
        assert owner  # noqa: S101 - the stage has added it
        application = azure.add_application(self.name, owner)
        azure.directory.grant(owner, "Application.ReadWrite.OwnedBy")
        lifetime = (start - timedelta(days=356), start + timedelta(days=9))
        pair = self_signed("made by hand", *lifetime)
        key = azure.directory.add_certificate(application, pair.der, lifetime, "made by hand")
        self.client_id = application.app_id
        tags = {
            "ProviderAddress": application.app_id,
            "Rotator": "service-principal-certificate",
            "CredentialId": key.key_id,
        }
        return tags, [pair.pfx]

    def opens(self, azure: Azure, value: str) -> bool:
        """Get a token with the certificate, through Microsoft's own library."""
        return _gets_token(
            azure,
            lambda authority: CertificateCredential(
                HOME_TENANT,
                self.client_id,
                certificate_data=base64.b64decode(value),
                authority=authority,
                disable_instance_discovery=True,
            ),
        )


class SqlAdministrator:
    """The administrator of a SQL server: one password, which is replaced in place."""

    template = "{password}"

    def __init__(self, server: str) -> None:
        self.server = server

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the server."""
        server = azure.sql.add_server(self.server, "shopadmin", FIRST_PASSWORD)
        return {"ProviderAddress": server.resource_id, "CredentialId": "shopadmin"}, [
            FIRST_PASSWORD
        ]

    def opens(self, azure: Azure, value: str) -> bool:
        """Sign in."""
        return _signs_in(azure, self.server, "master", "shopadmin", value)


class AlternatingLogins:
    """Two logins of a SQL server; consumers use one at a time."""

    template = "Server={server};Database=shop;User ID={user};Password={password};Encrypt=Strict"

    def __init__(self, server: str) -> None:
        self.server = server

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the server with a database and two logins, and permit Rekey to change logins."""
        server, app = (
            azure.sql.add_server(self.server, "shopadmin", FIRST_PASSWORD),
            azure.managed_identity.system,
        )
        assert app  # noqa: S101 - the stage has added it
        server.add_database("shop")
        server.grant(app, LOGIN_MANAGER)
        for name in ("app_a", "app_b"):
            server.add_login(name, FIRST_PASSWORD + name, "shop")
        tags = {
            "ProviderAddress": server.resource_id,
            "CredentialId": "app_a",
            "Logins": "app_a,app_b",
        }
        return tags, [
            self.template.format(
                server=server.fqdn, user="app_a", password=FIRST_PASSWORD + "app_a"
            )
        ]

    def opens(self, azure: Azure, value: str) -> bool:
        """Sign in with the connection string."""
        parts: Mapping[str, str] = dict(part.split("=", 1) for part in value.split(";"))
        return _signs_in(azure, self.server, "shop", parts["User ID"], parts["Password"])


def _gets_token(
    azure: Azure, credential: Callable[[str], ClientSecretCredential | CertificateCredential]
) -> bool:
    try:
        with credential(f"https://{azure.domains.login}") as opened:
            opened.get_token(f"https://{azure.domains.graph}/.default")
    except AzureError:
        return False
    return True


def _signs_in(azure: Azure, server: str, database: str, user: str, password: str) -> bool:
    try:
        azure.sql.servers[server].sign_in(database, user, password)
    except SqlError:
        return False
    return True
