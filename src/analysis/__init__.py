"""The consumer side: reads runs, incidents and rules; never imports the engine."""

import sys

# plotly and papermill bring nbformat, it brings jsonschema, and that has a grammar compiled for the
# format "iri" (more than a second at each start). No notebook schema uses that format.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
