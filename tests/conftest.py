"""One Hypothesis profile for all tests: without a deadline, since no test may depend on time."""

from hypothesis import settings

settings.register_profile("rekey", deadline=None)
settings.load_profile("rekey")
