"""Azure Resource Manager: the gateway that checks every request, and its resource providers."""
