"""Regridding: matching LR cells to HR cells, aggregation, interpolation and reprojection."""
