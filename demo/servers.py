"""The demo's PostgreSQL and MySQL servers: an administrator's password, and two logins' in turn."""

from __future__ import annotations

from simulator.azure import Azure
from simulator.databases.servers import DatabaseRefusal, EngineName, FlexibleServer

FIRST_PASSWORD = "First-Pa55word-of-the-platform"
ADMIN, LOGINS = "shopadmin", ("app_a", "app_b")
ENGINES: dict[EngineName, str] = {
    "postgresql": "Microsoft.DBforPostgreSQL",
    "mysql": "Microsoft.DBforMySQL",
}
RIGHTS = tuple(
    f"{namespace}/{right}"
    for namespace in ENGINES.values()
    for right in (
        "flexibleServers/read",
        "flexibleServers/write",
        "flexibleServers/configurations/read",
        "locations/*/read",
    )
)


class DatabaseAdministrator:
    """The administrator of a server: one password, which is replaced in place."""

    template = "{password}"

    def __init__(self, engine: EngineName) -> None:
        self.engine, self.name = engine, f"{engine}-admin"

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the server."""
        server = azure.databases.add_server(self.engine, self.name, ADMIN, FIRST_PASSWORD)
        return {"ProviderAddress": server.resource_id, "CredentialId": ADMIN}, [FIRST_PASSWORD]

    def opens(self, azure: Azure, value: str) -> bool:
        """Sign in."""
        return _signs_in(azure.databases.servers[self.engine, self.name], ADMIN, value)


class DatabaseLogins:
    """Two logins of a server; consumers use one at a time."""

    template = "host={server};user={user};password={password}"

    def __init__(self, engine: EngineName) -> None:
        self.engine, self.name = engine, f"{engine}-logins"

    def enter(self, azure: Azure) -> tuple[dict[str, str], list[str]]:
        """Add the server and the logins, and permit the app to set their passwords."""
        server = azure.databases.add_server(self.engine, self.name, ADMIN, FIRST_PASSWORD)
        app = azure.managed_identity.system
        assert app  # noqa: S101 - the stage has added it
        server.operators[app.name] = app.oid
        for login in LOGINS:
            server.add_account(login, FIRST_PASSWORD + login)
        tags = {
            "ProviderAddress": server.resource_id,
            "CredentialId": LOGINS[0],
            "Logins": ",".join(LOGINS),
        }
        held = {"user": LOGINS[0], "password": FIRST_PASSWORD + LOGINS[0]}
        return tags, [self.template.format(server=server.fqdn, **held)]

    def opens(self, azure: Azure, value: str) -> bool:
        """Sign in with the connection string."""
        parts = dict(part.partition("=")[::2] for part in value.split(";"))
        server = azure.databases.servers[self.engine, self.name]
        return _signs_in(server, parts.get("user", ""), parts.get("password", ""))


def _signs_in(server: FlexibleServer, user: str, password: str) -> bool:
    try:
        server.sign_in(user, password)
    except DatabaseRefusal:
        return False
    return True
