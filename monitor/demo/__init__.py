"""A real log to look at: New York's flights of 2013 and a model that expects late arrivals.

This package only makes data: three tables in a database, and a `monitor.yaml` that names them.
From there on it is watched like any other log.
"""
