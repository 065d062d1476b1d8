"""Horizontal grids and time axes: the lowest layer of the array code."""
