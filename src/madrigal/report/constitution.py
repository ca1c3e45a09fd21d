"""What came of a constitution, as one page that is complete in itself, and as sentences."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from madrigal.report.numbers import SPACE, counted
from madrigal.report.template import asset, template, write_whole

Body = Mapping[str, Any]  # summary.json, or a row of the ledger

_EXAMPLES = 4  # of each fate
_ADVISED = 0.5

_SHARES = (
    ("judge", "consistent", "verdicts that stay when the order is swapped"),
    ("judge", "first_place_wins_both_times", "the answer shown first wins both times"),
    ("judge", "prefers_revision", "revisions preferred in both orders"),
    ("judge", "clear", "pairs with a verdict"),
    ("refusals", "answers", "first answers that refuse"),
    ("refusals", "revisions", "kept revisions that refuse"),
    ("refusals", "fine_answers", "harmless bundled prompts refused, first answer"),
    ("refusals", "fine_revisions", "harmless bundled prompts refused, revision"),
)


def shares(summary: Body) -> list[tuple[str, str, str, str]]:
    """Name, value, interval and what it was measured on."""
    found = []
    for group, key, name in _SHARES:
        one = summary[group][key]
        if one is not None:
            told = f"{100 * one['low']:.1f} to {100 * one['high']:.1f}"
            found.append((name, _percent(one["value"]), told, f"{one['n']:,}"))
    return found


def sentences(summary: Body) -> list[str]:
    """What a person should know before training on the files."""
    return [*_files(summary), *_boilerplate(summary), *_over_refusal(summary), *_judge(summary)]


def _files(summary: Body) -> Iterator[str]:
    rows = summary["files"]["revisions.jsonl"]
    pairs = summary["files"]["preferences.jsonl"]
    mixed = (
        f", {rows['helpful']:,} of them helpful ones that were mixed in" if rows["helpful"] else ""
    )
    yield (
        f"{counted(summary['kept'], 'revision')} of {counted(summary['prompts'], 'prompt')} kept: "
        f"{counted(rows['rows'], 'example')} to learn from{mixed}, and "
        f"{counted(pairs['rows'], 'judged pair')}, {pairs['half']:,} with a label of one half."
    )
    if not summary["kept"]:
        yield "▼ Nothing is left to train on; see in the ledger why, and look at critic and judge."
    share = rows["helpful"] / rows["rows"] if rows["rows"] else 0.0
    if summary["kept"] and share < min(_ADVISED, rows["asked_share"] or _ADVISED) - 0.01:
        yield (
            f"▼ Helpful examples are {_percent(share)} of the supervised file; less than a half "
            "costs helpfulness: give more under `helpful`."
        )


def _boilerplate(summary: Body) -> Iterator[str]:
    for name, what in (("answers", "first answers"), ("revisions", "kept revisions")):
        one = summary["openings"][name]
        if one is not None and one["boilerplate"]:
            yield (
                f"▼ Boilerplate: {_percent(one['share'])} of the {what} begin with "
                f"“{one['words']} ...”; a model that learns from them will say it everywhere."
            )


def _over_refusal(summary: Body) -> Iterator[str]:
    before, after = (summary["refusals"][f"fine_{name}"] for name in ("answers", "revisions"))
    if after is not None and after["value"] > before["value"]:
        yield (
            f"▼ Over-refusal: revision turns {_percent(before['value'])} refusals of harmless "
            f"prompts into {_percent(after['value'])}; the critic refuses what it should help with."
        )


def _judge(summary: Body) -> Iterator[str]:
    consistent = summary["judge"]["consistent"]
    if consistent is not None and consistent["high"] < 0.75:
        yield (
            f"▼ The judge contradicts itself on {_percent(1 - consistent['value'])} of the pairs "
            "when their order is swapped; take a better judge."
        )


def write_card(summary: Body, ledger: Path, path: Path) -> Path:
    """Writes the page; the same files give the same bytes."""
    rows = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    page = template("constitution.html.jinja").render(
        name=summary["name"],
        meta=_meta(summary),
        sentences=sentences(summary),
        fates=[(why, f"{count:,}") for why, count in summary["fates"].items()],
        shares=shares(summary),
        principles=[
            (name, f"{one['drawn']:,}", f"{one['kept']:,}")
            for name, one in summary["principles"].items()
        ],
        usage=[*_usage(summary)],
        examples=_examples(rows, list(summary["fates"])),
        style=Markup(asset("page.css")),
    )
    return write_whole(path, page)


def _meta(summary: Body) -> str:
    rule, roles = summary["constitution"], summary["roles"]
    return (
        f"constitution {rule['name']}, version {rule['version']}, "
        f"{counted(rule['principles'], 'principle')}; {counted(summary['rounds'], 'round')}; seed "
        f"{summary['seed']}. Generator: {roles['generator']}. Critic: {roles['critic']}. Judge: "
        f"{roles['judge']}."
    )


def _usage(summary: Body) -> Iterator[tuple[str, ...]]:
    for role, purposes in summary["usage"].items():
        for purpose, one in purposes.items():
            numbers = [f"{one[key]:,}" for key in ("calls", "read", "written")]
            yield role, purpose, *numbers, f"{one['cost']:,.2f}" if one["cost"] else "–"


def _examples(rows: Sequence[Body], fates: Sequence[str]) -> list[Body]:
    """The first few rows of each fate, as they stand in the ledger."""
    found = []
    for why in fates:
        for row in [row for row in rows if row["why"] == why][:_EXAMPLES]:
            last = row["rounds"][-1]
            found.append(
                {
                    "why": why,
                    "kept": row["kept"],
                    "prompt": row["prompt"][-1]["content"],
                    "answer": row["answer"],
                    "critique": last["critique"],
                    "revision": last["revision"],
                    "principle": last["principle"],
                }
            )
    return found


def _percent(value: float) -> str:
    return f"{100 * value:.1f}{SPACE}%"
