"""The verdict: named causes, ranked, each with its evidence and the look-alike it was told from."""
