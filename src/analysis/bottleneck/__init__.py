"""Where a PostgreSQL wallet loses its time: from activity samples, server logs and request logs."""
