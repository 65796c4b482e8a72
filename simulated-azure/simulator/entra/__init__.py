"""Microsoft Entra: applications in Microsoft Graph, sign-in, and the app's managed identity."""
