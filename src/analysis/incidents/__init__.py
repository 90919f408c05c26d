"""The sourced corpus of public incidents: read, check, query, compare, export.

Every value carries its sources and a confidence, sources that disagree are kept side by side, and
every time carries its bounds, so that no duration looks sharper than the record it comes from.
"""
