"""The services of the record: each date and number written twice, and missed if changed."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from analysis import paths
from analysis.licenses.services import Service, read_services, services
from runlog.errors import BadData

DAY = dt.timedelta(days=1)

# service | launched | ended
LIVES = """
kyash | 2017-04-05 |
paymo | 2017-01-19 | 2019-05-30
line_pay | | 2025-04-30
yahoo_wallet | | 2019-09-30
paypay | |
pring | 2018-03-01 |
merpay | 2019-02-01 |
rakuten_pay | |
origami_pay | | 2020-06-30
au_pay | |
d_barai | |
money_forward | |
rakuten_bank_facebook | |
"""
# service | regime | number | since | not held on | known by | until
LICENSES = """
kyash | prepaid_third_party | 00698 | 2017-01-16 | | |
kyash | funds_transfer | 00082 | | 2018-11-03 | 2020-08-28 |
line_pay | funds_transfer | | | | 2018-11-03 | 2025-04-30
line_pay | prepaid_third_party | | | | 2018-11-03 | 2025-04-30
yahoo_wallet | funds_transfer | | | | 2018-11-03 | 2019-09-30
paypay | prepaid_third_party | | 2018-10-05 | | |
paypay | funds_transfer | 00068 | 2019-09-30 | | |
pring | funds_transfer | 00050 | | | 2018-11-03 |
merpay | funds_transfer | 00057 | | | 2019-02-28 |
merpay | prepaid_third_party | | 2019-01-24 | | |
rakuten_pay | prepaid_third_party | | 2016-07-21 | | |
rakuten_pay | funds_transfer | | | | 2026-08-22 |
au_pay | prepaid_third_party | | 2010-09-30 | | |
au_pay | funds_transfer | 00053 | | | 2018-11-03 |
d_barai | funds_transfer | | | | 2018-11-03 |
rakuten_bank_facebook | bank | | | | 2018-11-03 |
"""
# service | topic | from | to | value | yen
FACTS = """
kyash | cash_out | 2017-04-05 | 2020-09-06 | no |
kyash | cash_out | 2020-09-07 | | yes |
kyash | fee | 2020-09-07 | | 220 | 220
kyash | kyc | 2017-04-05 | 2020-09-06 | no |
kyash | cap | 2020-01-01 | | card and P2P |
paymo | license | 2017-01-19 | 2019-05-30 | none |
paymo | cash_out | 2017-01-19 | 2019-05-30 | yes |
paymo | fee | 2017-01-19 | 2019-05-30 | 200 | 200
paymo | kyc | 2017-01-19 | 2019-05-30 | no |
line_pay | cash_out | 2018-11-01 | 2025-04-30 | yes |
line_pay | fee | 2018-11-01 | 2019-09-30 | 216 | 216
line_pay | kyc | 2018-11-01 | 2025-04-30 | yes |
line_pay | cap | 2018-11-01 | 2025-04-30 | P2P and balance |
yahoo_wallet | cash_out | 2018-11-01 | 2019-09-30 | yes |
yahoo_wallet | kyc | 2018-11-01 | 2019-09-30 | yes |
paypay | cash_out | 2018-10-05 | 2019-09-29 | no |
paypay | cash_out | 2019-09-30 | | yes |
paypay | fee | 2019-09-30 | 2019-12-31 | 100 | 100
paypay | kyc | 2018-10-05 | 2019-09-29 | no |
pring | cash_out | 2018-03-01 | | yes |
pring | fee | 2018-03-01 | 2020-06-30 | 0 | 0
pring | fee | 2020-07-01 | | 220 | 220
pring | kyc | 2018-03-01 | | yes |
pring | state | 2024-06-10 | | closing |
merpay | cash_out | 2019-02-01 | | yes |
merpay | fee | 2019-02-01 | | 200 | 200
merpay | kyc | 2019-02-01 | | by balance |
merpay | cap | 2019-02-01 | | charge |
rakuten_pay | cash_out | 2018-11-01 | 2018-12-31 | limited |
rakuten_pay | cash_out | 2026-08-22 | | yes |
rakuten_pay | kyc | 2018-11-01 | 2018-12-31 | no |
rakuten_pay | cap | 2018-11-01 | 2018-12-31 | charge |
origami_pay | cash_out | 2018-11-01 | 2020-06-30 | n/a |
origami_pay | license | 2018-11-01 | 2020-06-30 | unknown |
au_pay | cash_out | 2018-11-01 | | yes |
au_pay | fee | 2018-11-01 | | 1 % |
au_pay | kyc | 2018-11-01 | | yes |
au_pay | cap | 2018-11-01 | | P2P |
d_barai | cash_out | 2018-11-01 | 2021-10-24 | yes |
d_barai | cash_out | 2021-10-25 | | yes |
d_barai | fee | 2021-10-25 | | 220 | 220
d_barai | kyc | 2021-10-25 | | by value |
d_barai | cap | 2021-10-25 | | withdrawal |
money_forward | license | 2018-06-01 | | electronic payment agency |
money_forward | cash_out | 2018-06-01 | | n/a |
rakuten_bank_facebook | cash_out | 2018-11-01 | | yes |
rakuten_bank_facebook | kyc | 2018-11-01 | | yes |
"""
# service | from | to: the spans of what each did
DOINGS = """
kyash | 2017-04-05 | 2020-09-06
kyash | 2020-09-07 |
paymo | 2017-01-19 | 2019-05-30
line_pay | 2018-11-01 | 2025-04-30
yahoo_wallet | 2018-11-01 | 2019-09-30
paypay | 2018-10-05 | 2019-09-29
paypay | 2019-09-30 |
pring | 2018-03-01 |
merpay | 2019-02-01 |
rakuten_pay | 2018-11-01 | 2026-08-21
rakuten_pay | 2026-08-22 |
origami_pay | 2018-11-01 | 2020-06-30
au_pay | 2018-11-01 |
d_barai | 2018-11-01 | 2021-10-24
d_barai | 2021-10-25 |
money_forward | 2018-06-01 |
rakuten_bank_facebook | 2018-11-01 |
"""


def told(found: dict[str, Service]) -> dict[str, str]:
    """Return the four tables as the data tell them."""
    lives, licenses, facts, doings = [], [], [], []
    for s in found.values():
        launched = s.launched.date if s.launched else None
        lives.append((s.id, launched, s.ended.date if s.ended else None))
        for x in s.licenses:
            row = (s.id, x.regime, x.number, x.since, x.not_held_on, x.known_by, x.until)
            licenses.append(row)
        facts += [(s.id, f.topic, f.from_, f.to, f.value, f.amount_jpy) for f in s.facts]
        doings += [(s.id, d.from_, d.to) for d in s.activities]
    tables = {"lives": lives, "licenses": licenses, "facts": facts, "doings": doings}
    return {name: _text(rows) for name, rows in tables.items()}


def _text(rows: list[tuple[Any, ...]]) -> str:
    cells = [["" if v is None else str(v) for v in row] for row in rows]
    return "\n".join(" | ".join(row).strip() for row in cells)


def _same(table: str) -> str:
    return "\n".join(line.strip() for line in table.strip().splitlines())


WANTED = {"lives": LIVES, "licenses": LICENSES, "facts": FACTS, "doings": DOINGS}


@pytest.mark.parametrize("name", list(WANTED))
def test_record_says_what_was_written_down_twice(name):
    assert _normal(told(services())[name]) == _normal(_same(WANTED[name]))


def test_every_changed_date_or_number_of_the_record_is_missed():
    content = yaml.safe_load(paths.data("services.yaml").read_text("utf-8"))
    wanted = {name: _normal(_same(table)) for name, table in WANTED.items()}
    survivors, count = [], 0
    for number, raw in enumerate(content["services"]):
        for place, changed in _mutations(raw):
            count += 1
            service = Service.model_validate(changed)
            found = dict(services())
            found[service.id] = service
            if all(_normal(t) == wanted[n] for n, t in told(found).items()):
                survivors.append(f"{raw['id']} {place}")
        assert content["services"][number] is raw
    assert count > 150
    assert not survivors


def test_a_conflict_keeps_both_versions():
    for service in services().values():
        assert all(len(c.versions) >= 2 for c in service.conflicts)
    assert sum(len(s.conflicts) for s in services().values()) == 4


def test_record_with_an_unknown_key_is_refused(tmp_path):
    text = paths.data("services.yaml").read_text("utf-8").replace("operator:", "operater:", 1)
    path = tmp_path / "services.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadData, match=r"operater|operator"):
        read_services(path)


def _normal(table: str) -> str:
    rows = [[c.strip() for c in line.split("|")] for line in table.splitlines()]
    return "\n".join("|".join(row).rstrip("|") for row in rows)


def _mutations(raw: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every date a day later and every yen amount one more, but those of the demerits' spans."""
    for path, value in _leaves(raw):
        if path[0] in ("demerits", "conflicts") or "features" in path:
            continue
        if isinstance(value, dt.date):
            yield str(path), _with(raw, path, value + DAY)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield str(path), _with(raw, path, value + 1)
        elif path[-1] in ("number", "value", "regime") and value:
            yield str(path), _with(raw, path, f"{value}9")


def _leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _leaves(value, (*path, index))
    else:
        yield path, node


def _with(raw: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(raw)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed
