"""Services with two keys, which Resource Manager lists and replaces."""
