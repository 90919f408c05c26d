"""The run directory: the one contract between who produces a run and who reads it."""
