"""Law files in the form the verifier reads, made of the short quotes kept with the tests."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

from analysis.licenses import rule_base

QUOTES = Path(__file__).parent / "fixtures" / "licenses" / "quotes.tsv"


def quotes() -> list[tuple[str, str, str]]:
    """Return (law id, article, quote) of every quote kept with the tests."""
    lines = QUOTES.read_text("utf-8").splitlines()
    kept = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(law_id, article, quote) for law_id, article, quote in kept]


def write_law_files(folder: Path, kept: list[tuple[str, str, str]] | None = None) -> Path:
    """Write one file a law, each quote in its paragraph, item and sub-item; return the folder."""
    by_law: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for law_id, article, quote in kept if kept is not None else quotes():
        by_law[law_id].append((article, quote))
    revisions = {law.law_id: law.revision for law in rule_base().laws}
    for law_id, entries in by_law.items():
        content = {
            "law_id": law_id,
            "revision_id": revisions[law_id],
            "blocks": _blocks(entries),
        }
        (folder / f"{law_id}.json").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return folder


def _blocks(entries: list[tuple[str, str]]) -> list[dict[str, object]]:
    parts: dict[str, dict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for article, quote in entries:
        part = re.match(r"(附則(?:（.+?）)?)?(第\d+条(?:の\d+)*)(.*)", article)
        assert part, article
        parts[part[1] or ""][part[2]].append((part[3], quote))
    blocks: list[dict[str, object]] = [{"t": "h", "lv": 2, "x": "第1章　総則"}]
    for part_name in sorted(parts, key=lambda name: name != ""):
        if part_name:
            heading = part_name.replace("附則", "附　則", 1)
            blocks.append({"t": "h", "lv": 1, "x": heading})
        for number, places in parts[part_name].items():
            blocks.append({"t": "a", "num": number, "cap": "", "body": _body(places)})
    return blocks


def _body(places: list[tuple[str, str]]) -> str:
    """Paragraphs, items and sub-items in the order of the numbers, each with its quotes."""
    tree: dict[tuple[int, str, str], list[str]] = defaultdict(list)
    for place, quote in places:
        found = re.fullmatch(r"(?:第(\d+)項)?(?:第(\d+)号((?:の\d+)*))?(.)?", place)
        assert found, place
        item = f"{found[2]}{found[3]}" if found[2] else ""
        tree[(int(found[1] or 1), item, found[4] or "")].append(quote.replace("…", "などなど"))
    lines: list[str] = []
    written: set[tuple[int, str]] = set()
    for paragraph in range(1, max(p for p, _, _ in tree) + 1):
        own = "。".join(tree.get((paragraph, "", ""), ["本文"]))
        lines.append(own if paragraph == 1 else f"{paragraph} {own}")
        inside = sorted((k for k in tree if k[0] == paragraph and k[1]), key=_order)
        for key in inside:
            if key[:2] not in written:
                written.add(key[:2])
                text = "。".join(tree.get((*key[:2], ""), ["次のもの"]))
                lines.append(f"\u3000{key[1]} {text}")
            if key[2]:
                lines.append(f"\u3000\u3000{key[2]} {'。'.join(tree[key])}")
    return "\n".join(lines)


def _order(key: tuple[int, str, str]) -> tuple[int, int, str, str]:
    return key[0], int(key[1].split("の")[0]), key[1], key[2]
