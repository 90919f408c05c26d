"""`walletlab licenses`: compare, classify, deposit, preserve, explain, limits, verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from analysis.cli.output import echo_json
from analysis.licenses.classification import Classification
from analysis.licenses.corpus import rule_base
from analysis.licenses.reasons import Answer, Reason
from runlog.errors import BadData, UsageFault, did_you_mean

_on = click.option("--on", "on", metavar="DATE", help="Day asked about; default: the text date.")
_json = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
_language = click.option(
    "--lang", type=click.Choice(["en", "ja"]), default="en", help="Language of the reasons."
)


@click.group("licenses")
def licenses_command() -> None:
    """What a payment license required on a day, article by article.

    Research, not legal advice. Days from 2010-04-01 to 2026-12-31.
    """


@licenses_command.command("compare")
@_on
@_language
@_json
def _compare(on: str | None, lang: str, as_json: bool) -> None:
    """Compare the licenses that existed on a day, topic by topic."""
    from analysis.licenses.comparison import compare

    matrix = compare(_day(on))
    if as_json:
        cells = [
            {
                "topic": c.topic,
                "regime": c.regime,
                "answer": c.answer,
                "en": c.en,
                "ja": c.ja,
                "status": c.status,
                "confidence": c.confidence,
                "reasons": c.reason.flat(),
            }
            for c in matrix.cells
        ]
        regimes = [{"id": r.id, "en": r.name.en, "ja": r.name.ja} for r in matrix.regimes]
        echo_json({"on": matrix.on, "regimes": regimes, "cells": cells, **_footer()})
        return
    for topic, en, ja in matrix.topics:
        click.echo(f"\n{ja if lang == 'ja' else en}")
        for regime in matrix.regimes:
            cell = matrix.cell(topic, regime.id)
            text = cell.ja if lang == "ja" else cell.en
            said = f"unknown: {text}" if cell.answer == "unknown" else text
            click.echo(f"  {regime.id:<20} {said}  [{', '.join(cell.articles)}]")
    _echo_footer(f"on {matrix.on}")


@licenses_command.command("classify")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--features", help="name=value,... for example holds_value=true,usable_at=others")
@click.option("--service", help="A service of the public record, for example kyash.")
@_on
@_language
@_json
def _classify(
    file: Path | None,
    features: str | None,
    service: str | None,
    on: str | None,
    lang: str,
    as_json: bool,
) -> None:
    """Say which license an activity needs on a day, or none, or that it is not certain.

    FILE is YAML or JSON, one `name: value` a feature. What is left out stays unknown. Amounts are
    whole yen, or `none` for no limit.

    \b
    prepaid value   holds_value usable_at(issuer|others) expires_after_months exempt_kind
                    transferable reloadable account_ceiling_jpy transfer_each_jpy
                    transfer_month_jpy code_each_jpy code_month_jpy
                    brand_recorded_month_jpy brand_spent_month_jpy
    money transfer  remits pays_out max_transfer_jpy max_user_debt_jpy
    collecting      collects payee(consumer|business) claim(split_bill|loan|goods)
                    debt_discharged_on_receipt cross_border cross_border_excepted
    others          takes_deposits reads_accounts passes_through

    \b
    walletlab licenses classify --service kyash --on 2018-11-03
    walletlab licenses classify --features remits=true,max_transfer_jpy=50000 --on 2021-05-01
    """
    from analysis.licenses.services import classify_service

    if sum(given is not None for given in (file, features, service)) != 1:
        todo = "give one of FILE, --features, --service"
        raise UsageFault("one description of the activity is needed", "", todo)
    if service is None:
        result, about = _classified(file, features, on), {}
    else:
        found = classify_service(service, _day(on))
        result = found.classification
        about = {
            "service": found.service.id,
            "state": found.state,
            "documented_licenses": list(found.documented),
            "notes": list(found.notes),
        }
    if as_json:
        answers = {name: getattr(result, name) for name in _ANSWERS}
        reasons = {"reasons": result.reason.flat(), "tree": result.reason.tree()}
        echo_json({**about, "on": result.on, **answers, **reasons, **_footer()})
        return
    _echo_classified(result, about, lang)


def _classified(file: Path | None, features: str | None, on: str | None) -> Classification:
    from analysis.licenses.activity import activity_from, features_from_text
    from analysis.licenses.classification import classify

    plain = _features_file(file) if file else features_from_text(features or "")
    return classify(activity_from(plain), _day(on))


def _echo_classified(result: Classification, about: dict[str, Any], language: str) -> None:
    if about:
        held = ", ".join(about["documented_licenses"]) or "none"
        click.echo(f"{about['service']} ({about['state']}); licenses on record: {held}")
        for note in about["notes"]:
            click.echo(f"note: {note}")
    click.echo(f"regimes: {', '.join(result.regimes)}")
    click.echo(f"cash-out: {result.cash_out}   identification of users: {result.kyc}")
    for question in result.open_questions:
        click.echo(f"open: {question}")
    _echo_tree(result.reason, language)


@licenses_command.command("deposit")
@click.option(
    "--unused-balance",
    type=int,
    required=True,
    metavar="YEN",
    help="Unused balance on the base date (基準日未使用残高).",
)
@click.option("--extra-base-dates", is_flag=True, help="The issuer opted for four base dates.")
@_on
@_language
@_json
def _deposit(
    unused_balance: int, extra_base_dates: bool, on: str | None, lang: str, as_json: bool
) -> None:
    """Say what a prepaid issuer must preserve for an unused balance."""
    from analysis.licenses.preservation import deposit

    answer = deposit(unused_balance, _day(on), extra_base_dates=extra_base_dates)
    _echo_amount(answer, {"unused_balance_jpy": unused_balance}, on, lang, as_json)


@licenses_command.command("preserve")
@click.option(
    "--undelivered",
    type=int,
    required=True,
    metavar="YEN",
    help="Debts for funds not yet delivered (未達債務).",
)
@click.option("--types", type=int, default=1, show_default=True, help="How many types it runs.")
@click.option("--regime", help="funds_transfer_1, _2 or _3: its deadline only.")
@click.option("--bank-deposit-percent", type=int, default=0, help="Type 3: kept as bank deposits.")
@click.option("--joint", is_flag=True, help="Joint deposit of several types (PSA 58-2).")
@click.option("--type-outside-joint", is_flag=True, help="Another type stays outside it.")
@_on
@_language
@_json
def _preserve(
    undelivered: int,
    types: int,
    regime: str | None,
    bank_deposit_percent: int,
    joint: bool,
    type_outside_joint: bool,
    on: str | None,
    lang: str,
    as_json: bool,
) -> None:
    """Say what a funds-transfer operator must preserve for undelivered debts."""
    from analysis.licenses.preservation import preserve

    answer = preserve(
        undelivered,
        _day(on),
        types=types,
        regime=regime,
        bank_deposit_percent=bank_deposit_percent,
        joint=joint,
        type_outside_joint=type_outside_joint,
    )
    _echo_amount(answer, {"undelivered_jpy": undelivered, "types": types}, on, lang, as_json)


@licenses_command.command("explain")
@click.argument("name")
@click.option("--regime", help="With a topic: the regime asked about.")
@_on
@_language
@_json
def _explain(name: str, regime: str | None, on: str | None, lang: str, as_json: bool) -> None:
    """Explain a parameter, a topic (with --regime), a regime or a service, with its articles."""
    from analysis.licenses.explanation import explain

    reason = explain(name, _day(on), regime)
    if as_json:
        content = {"name": name, "on": _day(on), "tree": reason.tree(), "reasons": reason.flat()}
        echo_json({**content, **_footer()})
        return
    _echo_tree(reason, lang)


@licenses_command.command("limits")
@click.argument("regime")
@_on
@_json
def _limits(regime: str, on: str | None, as_json: bool) -> None:
    """Print the limits that a license puts on the reference engine."""
    from analysis.licenses.limits import engine_limits

    limits = engine_limits(regime, _day(on))
    if as_json:
        echo_json(limits)
        return
    for key in ("max_transfer_jpy", "max_balance_jpy", "cash_out", "kyc"):
        articles = ", ".join(limits["articles"][key])
        click.echo(f"{key:<18} {limits[key]}  [{articles}]")
    _echo_footer(f"{regime} on {limits['on']}")


@licenses_command.command("verify")
@click.option(
    "--law",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of statute texts, one JSON file a law.",
)
@_json
def _verify(folder: Path, as_json: bool) -> int:
    """Compare every quote, amount and comparison word with statute texts in a folder.

    The folder holds one <law id>.json a law; exit code 1 when anything differs.
    """
    from analysis.licenses.verify import verify

    result = verify(folder)
    if as_json:
        differences = [vars(d) for d in result.differences]
        counts = {k: getattr(result, f"{k}_checked") for k in ("quotes", "amounts", "words")}
        echo_json(
            {
                "differences": differences,
                "checked": counts,
                "not_checked": result.not_checked,
                **_footer(),
            }
        )
    else:
        for d in result.differences:
            click.echo(f"{d.place}: {d.law} {d.article}: {d.what} · {d.expected}")
        click.echo(
            f"{result.quotes_checked} quotes, {result.amounts_checked} amounts, "
            f"{result.words_checked} comparison words compared: "
            f"{len(result.differences)} differences"
        )
        for left_out in result.not_checked:
            click.echo(f"not compared: {left_out}")
        _echo_footer("verified against the texts given")
    return 1 if result.differences else 0


_ANSWERS = (
    "regimes",
    "certain",
    "open_questions",
    "transitions",
    "cash_out",
    "kyc",
    "cash_out_by_regime",
    "kyc_by_regime",
)


def _day(on: str | None) -> str:
    # never the wall clock: without --on the answer is for the day of the text
    return on if on is not None else rule_base().text_date.isoformat()


def _footer() -> dict[str, Any]:
    rules = rule_base()
    return {"disclaimer": rules.disclaimer.en, "text_date": rules.text_date}


def _echo_footer(what: str) -> None:
    rules = rule_base()
    disclaimer = f"{rules.disclaimer.en} {rules.disclaimer.ja}"
    click.echo(f"\n{what}. {disclaimer} Text of the law as of {rules.text_date}.")


def _echo_tree(reason: Reason, language: str) -> None:
    click.echo()
    for line in reason.lines(language):
        click.echo(line)
    _echo_footer("法令の根拠は上記のとおり" if language == "ja" else "Reasons as cited above")


def _echo_amount(
    answer: Answer, given: dict[str, Any], on: str | None, language: str, as_json: bool
) -> None:
    from analysis.licenses.preservation import as_number

    required = as_number(answer)
    if as_json:
        echo_json(
            {
                **given,
                "on": _day(on),
                "verdict": answer.verdict,
                "required_jpy": required,
                **answer.extra,
                "open_questions": answer.open_questions,
                "reasons": answer.reason.flat(),
                "tree": answer.reason.tree(),
                **_footer(),
            }
        )
        return
    shown = "unknown" if required is None else f"¥{required:,}"
    click.echo(f"required: {shown}   ({answer.verdict})")
    for key, value in answer.extra.items():
        click.echo(f"{key}: {value}")
    _echo_tree(answer.reason, language)


def _features_file(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise UsageFault("no such file", path, "give a YAML or JSON file of features") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadData("file cannot be read", f"{path}: {error}", "give a text file") from None
    try:
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        raise BadData("no YAML or JSON", f"{path.name}: {first}", "write name: value") from None
    if isinstance(content, dict) and isinstance(content.get("features"), dict):
        content = content["features"]
    if not isinstance(content, dict) or not all(isinstance(k, str) for k in content):
        known = did_you_mean("", ["holds_value", "remits", "collects"])
        raise BadData("the file holds no features", path.name, f"write name: value; {known}")
    return content
