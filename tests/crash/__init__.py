"""Whole rotations in process, call by call, of every kind: death and lost answers at each call, two workers at once, refusals.

Beside them stands what is counted and read on the same calls: their number, their time, what they cost, and that no
value is in anything emitted. What depends on one module is tested in the room of that module.
"""
