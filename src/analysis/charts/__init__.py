"""Figures from frames. Nothing here queries: frames come in, plotly figures go out."""
