"""Microsoft Graph, as far as the secrets of applications need it."""
