"""Services whose two keys are listed and replaced through Resource Manager, and used at an address of their own."""
