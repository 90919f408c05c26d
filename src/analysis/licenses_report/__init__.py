"""The report on remittance licenses: what its notebook shows, computed from analysis.licenses."""
