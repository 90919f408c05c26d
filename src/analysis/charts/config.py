"""The configuration of every figure, for those who draw and for those who only hand on."""

from __future__ import annotations

from typing import Any

# plotly.js offers to upload a chart's data to its vendor unless told not to.
CONFIG: dict[str, Any] = {"showSendToCloud": False, "displaylogo": False, "responsive": True}
