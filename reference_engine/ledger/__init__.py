"""Double entry in PostgreSQL: schema, posting by the database itself, set-up and export."""
