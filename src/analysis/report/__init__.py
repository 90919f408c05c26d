"""From notebooks to an offline site: execution, HTML, metrics, index."""

import sys

# nbformat brings jsonschema, which looks for a checker of the format "iri" and so has a grammar
# compiled for more than a second at each start. No notebook schema uses that format.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
