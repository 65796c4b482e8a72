"""Resource Manager, Microsoft Graph and Entra sign-in over one JSON client."""
