"""Microsoft Entra: applications in Microsoft Graph, sign-in, and the managed identity of the app."""
