"""Deployments: Resource Manager's template language, and an engine for it.

Rights spread with a delay, and what Azure refuses is refused: `refusals/` names the sources.
"""
