"""What can go wrong in profiles.

ProfileError
├── InvalidWindow     a width or a bound that makes no window
├── InvalidGrid       a baseline column that no grid can be made of
├── GridMismatch      two profiles on different grids were to be merged or compared
├── CodecError        bytes that are not a profile this version can read
├── UnknownStatistic  a distance that does not exist
└── TooManyRepeats    more rows share their ids than memory is given for
"""


class ProfileError(Exception):
    """Base of all errors of this package."""


class InvalidWindow(ProfileError, ValueError):
    """A width or a bound that makes no window."""


class InvalidGrid(ProfileError, ValueError):
    """A baseline column that no grid can be made of."""


class GridMismatch(ProfileError, ValueError):
    """Two profiles on different grids were to be merged or compared."""


class CodecError(ProfileError, ValueError):
    """Bytes that are not a profile this version can read."""


class UnknownStatistic(ProfileError, ValueError):
    """A distance that does not exist."""


class TooManyRepeats(ProfileError):
    """More rows share their ids than memory is given for."""
