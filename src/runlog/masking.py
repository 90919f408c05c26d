"""Masks literals in SQL text: what a statement does stays readable, its values do not."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*(?:(?!\*/).)*?/\*.*|/\*.*?(?:\*/|\Z))
  | (?P<identifier>"(?:[^"]|"")*(?:"|\Z))
  | (?P<escaped>\b[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z))
  | (?P<string>'(?:[^']|'')*(?:'|\Z))
  | (?P<dollar>\$\$.*?(?:\$\$|\Z)|\$(?P<tag>[A-Za-z_]\w*)\$.*?(?:\$(?P=tag)\$|\Z))
  | (?P<parameter>\$\d+)
  | (?P<word>[^\W\d]\w*)
  | (?P<number>\d[\w.]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERALS = {"escaped": "'?'", "string": "'?'", "dollar": "'?'", "number": "?", "comment": "/*?*/"}


@lru_cache(maxsize=4096)
def mask_sql(statement: str) -> str:
    """Return the statement with strings, numbers and comments masked.

    Parameters ($1), quoted identifiers and keywords stay. A literal that was cut off (the server
    keeps only the first bytes of a statement), and a comment within one, is masked to the end.

    >>> mask_sql("SELECT * FROM t1 WHERE name = 'O''Hara' AND yen > 320.5 AND id = $1")
    "SELECT * FROM t1 WHERE name = '?' AND yen > ? AND id = $1"
    >>> mask_sql("SELECT E'it\\\\'s', 'cut o")
    "SELECT '?', '?'"
    >>> mask_sql("SELECT 1 /* a /* b */ Jane */")
    'SELECT ? /*?*/'
    """
    return _TOKEN.sub(_replaced, statement)


def _replaced(found: re.Match[str]) -> str:
    return _LITERALS.get(found.lastgroup or "", found[0])
