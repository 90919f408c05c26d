"""The consumer side: reads runs, incidents and rules; never imports the engine."""

import sys

# plotly and papermill bring nbformat, it brings jsonschema, and that has a grammar compiled for the
# format "iri" (more than a second at each start) and loads a library of dates for the format
# "duration". No notebook schema uses these formats.
for _name in ("rfc3987_syntax", "isoduration"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]
