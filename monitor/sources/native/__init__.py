"""Rows taken from a database's own C library by compiled code, straight into Arrow's buffers.

Importing anything in here imports numba, which takes a third of a second and some 70 MB: it is done
where rows are read, and not before.
"""
