"""What the tests of this room share."""

from hypothesis import settings

# A loaded machine is slow at times, which is no fault of the code.
settings.register_profile("akid", deadline=None)
settings.load_profile("akid")
