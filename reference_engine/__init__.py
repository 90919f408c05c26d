"""The producer: a reference wallet on a real PostgreSQL that can be broken on purpose."""
