"""The pages for people: the inventory, one secret.

And what stands in their place when something is wrong.
"""
