"""The parts of a fitted model: its network, its files, its provenance and its display."""
