"""Other rotators under the same faults, their histories held against the same promises."""
