"""`make bench`: measures whole processes of Rekey, as ratios to a baseline from the same run."""
