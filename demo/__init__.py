"""`make demo`: Rekey at work on a simulated Azure.

It runs from the first event to the proof that every published value works at its source.
"""
