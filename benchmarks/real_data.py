"""What the real sets of $MADRIGAL_DATA contain: python benchmarks/real_data.py

Writes results/real_data.md: for each set what the cheap checks and contamination find, how often,
and places where a person can look. Sets about offence, and finds of it, are given by place alone;
personal data stand masked, as in every finding.
"""

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from record import RESULTS, Line, save

from madrigal.curation import Curated, curate, of_files
from madrigal.curation.finding import CHECKS, Finding
from madrigal.curation.meaning import MEANINGS
from madrigal.errors import DataError

DATA = Path(os.environ.get("MADRIGAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
GROUPS = ("classification", "instructions", "natural_instructions", "preferences", "raw_text")
# What their texts say is not repeated here.
BY_PLACE = (
    "toxicity", "hh_harmless", "hate", "toxigen", "convabuse", "oasst", "goemotions", "llmbar",
)  # fmt: skip
UNSHOWN = {"offensive", "personal_data", "secret"}
TASK_WIDE = {"licence", "imbalance"}
SHOWN = 2  # places of each find
SPLITS = ("train.jsonl", "validation.jsonl", "test.jsonl")


def paths(group: str) -> Iterator[list[str]]:
    """The files of each set of a group: its splits, where it has them, or all that it has."""
    home = DATA / group
    for folder in sorted({file.parent for file in home.rglob("*") if file.is_file()}):
        files = sorted(
            one for one in folder.iterdir()
            if one.suffix in (".jsonl", ".json", ".csv", ".tsv", ".txt") and one.stem != "README"
        )  # fmt: skip
        splits = [one for one in files if one.name in SPLITS]
        for some in [splits] if splits else [[one] for one in files]:
            if some:
                yield [one.relative_to(DATA).as_posix() for one in some]


def looked_at(group: str, folder: Path) -> tuple[Curated, list[str]]:
    """A group in one call, so that its sets are compared; sets that cannot be read are told."""
    wanted, refused = [], []
    for some in paths(group):
        try:
            of_files(some, DATA)
        except DataError as error:
            refused.append(error.mistakes[0])
        else:
            wanted += some
    return curate(of_files(wanted, DATA), folder / group, deep=["contamination"]), refused


def place(one: Finding) -> str:
    told = f"`{one.where}`" + (f" and `{one.other}`" if one.other else "")
    quiet = one.check in UNSHOWN or any(name in one.where for name in BY_PLACE)
    text = one.evidence[:110].replace("|", "/").replace("`", "'").replace("<", "&lt;")
    return told if quiet or not text else f"{told}: {text}"


def page(group: str, found: Curated, refused: list[str]) -> list[str]:
    examples: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in found.read():
        mine = examples[one.task, one.check]
        mine.append(one)
        # The gravest are shown, of equals the first.
        mine.sort(key=lambda each: -each.score)
        del mine[SHOWN:]
    lines = [f"## {group}", ""]
    for task, card in found.cards.items():
        counts = card["records"]
        sizes = ", ".join(f"{count:,} {split}" for split, count in counts.items() if count)
        told = card["found"]
        if not told:
            lines += [f"**{task}** ({card['format']}; {sizes}): nothing found.", ""]
            continue
        lines += [f"**{task}** ({card['format']}; {sizes})", ""]
        for check in CHECKS:
            if check not in told:
                continue
            some = examples[task, check]
            many = "" if check in TASK_WIDE else f"{told[check]['records']:,} records, "
            shown = "; ".join(
                one.evidence if check in TASK_WIDE else place(one) for one in some[:SHOWN]
            )
            lines.append(f"- {MEANINGS[check].title} (`{check}`): {many}{shown}")
        lines.append("")
    if refused:
        lines += ["Not read by this call: " + "; ".join(refused), ""]
    return lines


def main() -> None:
    lines = [
        "# What the real sets contain", "",
        "Made by `MADRIGAL_DATA=... python benchmarks/real_data.py`. Places are `file:line`; of",
        "each find the gravest two are shown. A find is a reason to look, no verdict: what can be",
        "verified at its place is said beside it.", "",
    ]  # fmt: skip
    totals: dict[str, int] = defaultdict(int)
    records = 0
    for group in GROUPS:
        with tempfile.TemporaryDirectory() as folder:
            found, refused = looked_at(group, Path(folder))
            lines += page(group, found, refused)
            for card in found.cards.values():
                records += sum(card["records"].values())
                for check, told in card["found"].items():
                    totals[check] += told["records"]
        print(group, flush=True)
    (RESULTS / "real_data.md").write_text("\n".join(lines), "utf-8")
    rows = [Line("records looked at", records, "records")]
    rows += [Line(MEANINGS[check].title, totals[check], "records") for check in CHECKS
             if check in totals and check not in TASK_WIDE]  # fmt: skip
    save("real_data", rows)


if __name__ == "__main__":
    main()
