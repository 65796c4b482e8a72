"""The goals of the benchmarks: `make bench` fails where one is missed."""

from __future__ import annotations

MISSED: list[str] = []
"""The goals that were missed in this process, as they are printed in the end."""


def held(what: str, figure: float, most: float, unit: str = "") -> str:
    """Return a goal as it is printed beside its figure; note it if the figure is above it."""
    if figure > most:
        MISSED.append(f"{what}: {figure:.3g}{unit}, and the goal is {most:g}{unit} at most")
    return f"(goal: {most:g}{unit} at most)"
