"""The template functions `uniqueString` and `guid`, as Resource Manager computes them.

Microsoft publishes neither algorithm. A test compares both with the results of its Bicep compiler.
"""

from __future__ import annotations

import uuid

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LENGTH = 13
_NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
_C1, _C2 = 0x239B961B, 0xAB0E9789
_MASK = 0xFFFFFFFF
_BLOCK = 8
_HALF = 4


def unique_string(*parts: str) -> str:
    """Return 13 characters that depend only on the parts."""
    value = _murmur("-".join(parts).encode())
    return "".join(_ALPHABET[value << 5 * index >> 59 & 31] for index in range(_LENGTH))


def guid(*parts: str) -> str:
    """Return a GUID that depends only on the parts."""
    return str(uuid.uuid5(_NAMESPACE, "-".join(parts)))


def _murmur(data: bytes) -> int:
    """Return MurmurHash3 with two 32-bit lanes."""
    low = high = 0
    whole = len(data) // _BLOCK * _BLOCK
    for start in range(0, whole, _BLOCK):
        low ^= _mixed(data[start : start + _HALF], _C1, 15, _C2)
        low = (_rotated(low, 19) + high) * 5 + 0x561CCD1B & _MASK
        high ^= _mixed(data[start + _HALF : start + _BLOCK], _C2, 17, _C1)
        high = (_rotated(high, 13) + low) * 5 + 0x0BCAA747 & _MASK
    low ^= _mixed(data[whole : whole + _HALF], _C1, 15, _C2)
    high ^= _mixed(data[whole + _HALF :], _C2, 17, _C1)
    low, high = _summed(low ^ len(data), high ^ len(data))
    low, high = _summed(_final(low), _final(high))
    return high << 32 | low


def _mixed(part: bytes, before: int, turn: int, after: int) -> int:
    number = int.from_bytes(part, "little") * before & _MASK
    return _rotated(number, turn) * after & _MASK


def _summed(low: int, high: int) -> tuple[int, int]:
    low = low + high & _MASK
    return low, high + low & _MASK


def _final(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    return value ^ value >> 16


def _rotated(value: int, turn: int) -> int:
    return (value << turn | value >> 32 - turn) & _MASK
