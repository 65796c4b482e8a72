"""Deployments: Resource Manager's template language, and an engine for it.

Role assignments take effect after a delay. Templates that Azure refuses are refused here too:
`refusals/` gives the source of each refusal.
"""
