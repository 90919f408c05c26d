"""From notebooks to an offline site: execution, HTML, metrics, index."""
