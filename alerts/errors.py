"""What can go wrong in alerts.

AlertError
├── OutOfOrder       a window was to be decided that does not come after the last one
├── UnknownRule      a reading names a rule that was not given
├── DuplicateReading one stream was read twice in one window
├── BadRecord        a stored state or notification that this version cannot read
└── BadRoute         a route's URL or secret cannot be used
"""


class AlertError(Exception):
    """Base of all errors of this package; its text is one line for a person."""


class OutOfOrder(AlertError, ValueError):
    """A window was to be decided that does not come after the last one."""


class UnknownRule(AlertError, ValueError):
    """A reading names a rule that was not given."""


class DuplicateReading(AlertError, ValueError):
    """One stream was read twice in one window."""


class BadRecord(AlertError, ValueError):
    """A stored state or notification that this version cannot read."""


class BadRoute(AlertError, ValueError):
    """A route's URL or secret cannot be used. Never holds either."""
