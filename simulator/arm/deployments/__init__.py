"""Deployments: Resource Manager's template language, and an engine that makes what a template lists.

Rights spread with a delay, and what Azure refuses is refused: `refusals.py` names the source of each.
"""
