"""Reconciliation: the wallet's ledger against the card gateway's books, intention by intention.

books      builds both sides of a run as tables in DuckDB
result     what is due, what is unresolved, totals and the proofs
mapping    the mapping file of a user's own two CSV files
files      reads and refuses those files
repairs    turns findings into transfers and card actions that can be posted again safely
impact     who was hit, how often, and how long the money was in limbo

The refund rule is the one the company published for the outage of 2018-10-09
(https://page.kyash.co/maintenance/20181016): what came from the balance returns to the
balance, what was charged to a card is cancelled.
"""
