"""First contact with somebody's data: a first configuration, and a look at one that is there."""

from monitor.contact.check import CohortCheck, IdsCheck, ModelCheck, Problem, Report, check
from monitor.contact.columns import ColumnCheck, in_short
from monitor.contact.first import FirstLook, first_look
from monitor.contact.template import render

__all__ = [
    "CohortCheck",
    "ColumnCheck",
    "FirstLook",
    "IdsCheck",
    "ModelCheck",
    "Problem",
    "Report",
    "check",
    "first_look",
    "in_short",
    "render",
]
