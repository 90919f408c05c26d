"""The company and the case: facts with their sources, the hypothesis with both sides, a what-if."""
