"""Derived columns: text, lists, times and images in numbers, which are profiled like any other.

A text is not binned; its length is. See docs/decisions/0009-derived-columns.md.
"""

from profiles.derived.recipes import DERIVED, PARTS, Derived, Recipe, derive, from_dict

__all__ = ["DERIVED", "PARTS", "Derived", "Recipe", "derive", "from_dict"]
