"""`make bench`: what Rekey costs, measured on whole processes, as ratios against a baseline in the same run."""
