"""Predictions written to Zarr region by region, so that an interrupted one goes on."""
