"""Brings a user's own logs into a run directory: servers, poolers, requests, traces."""
