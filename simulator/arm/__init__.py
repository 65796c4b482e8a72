"""Azure Resource Manager: the gateway that checks every request, and the resource providers behind it."""
