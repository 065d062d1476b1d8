"""CF metadata: dimensions, coordinates, time axes, units and grid mappings of the user's data."""
