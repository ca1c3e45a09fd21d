"""Does DPO move held-out margins? python benchmarks/preference_margins.py [MODEL] [SEEDS]

recipes/real/dpo.yaml, once a seed (three unless told otherwise), on four kinds of feedback at once:
the better answers are learnt first, then preferred by DPO. The margin is by how much the better
answer is likelier than the worse one, in nats; what DPO moved is the change of held-out margins
since its stage began, which is its implicit reward up to beta. Agreement is the share of people on
whose side that change is. MODEL is a folder, left out the bundled base. Test prompts are in no
training set; intervals are over seeds and prompts.

`... [MODEL] seed SEED` makes one run and stops. Runs stay under runs/dpo/ and are not repeated when
they are there.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from judged_sets import (
    RESAMPLING,
    SEEDS,
    Rows,
    base_of,
    judged,
    made,
    nats,
    percent,
    predicted,
    scored,
)
from record import RESULTS, Line, save

from madrigal.evaluation.agreement import Judging
from madrigal.evaluation.seeds import SeedScore, over_seeds, spread

RECIPE = "dpo"
START, AFTER = "01-answers", "02-prefer"
SIDES = ("chosen", "rejected", "margin")


def moved(late: Sequence[Rows], early: Sequence[Rows]) -> dict[str, SeedScore]:
    """What became of the better answers, the worse ones and their margin, run by run; in nats."""
    ratios = [_ratios(after, before) for after, before in zip(late, early, strict=True)]
    rows = [scored(row, ratio) for row, ratio in zip(late[0], ratios[0], strict=True)]
    told = {"agreement": over_seeds([_with(rows, ratio) for ratio in ratios], "agreement",
                                    RESAMPLING)}  # fmt: skip
    names = {name: n for n, name in enumerate(dict.fromkeys(row.cluster for row in rows))}
    cluster = np.array([names[row.cluster] for row in rows])
    sides = np.array([[_sides(judged(row), ratio) for row, ratio in zip(rows, one, strict=True)]
                      for one in ratios])  # seeds, examples, sides  # fmt: skip
    known = ~np.isnan(sides[0, :, 0])
    for number, side in enumerate(SIDES):
        values = sides[:, known, number]
        sums = np.zeros((len(names), len(ratios) + 1))
        np.add.at(sums, cluster[known], np.concatenate([values, np.ones((1, known.sum()))]).T)
        totals = RESAMPLING.totals("margins", sums)
        told[side] = spread(values.mean(axis=1), (totals[:, :-1] / totals[:, -1:]).T, RESAMPLING)
    return told


def _ratios(late: Rows, early: Rows) -> list[np.ndarray]:
    starts = {row.id: judged(row).logps for row in early}
    return [np.subtract(judged(row).logps, starts[row.id]) for row in late]


def _with(rows: Rows, ratios: Sequence[np.ndarray]) -> Rows:
    return [scored(row, ratio) for row, ratio in zip(rows, ratios, strict=True)]


def _sides(held: Judging, ratio: np.ndarray) -> tuple[float, float, float]:
    """Mean over the pairs that are no tie; nan where there is none."""
    better, worse = np.nonzero(np.array(held.wins) > 0.5)
    if not len(better):
        return (float("nan"),) * 3
    chosen, rejected = float(np.mean(ratio[better])), float(np.mean(ratio[worse]))
    return chosen, rejected, chosen - rejected


def page(found: Mapping[str, dict], model: str, seeds: int) -> str:
    lines = ["| | prompts | margin moved, nats | better answers | worse answers | agreement, % |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for name, one in found.items():
        cells = [nats(one[side]) for side in ("margin", "chosen", "rejected")]
        lines.append(f"| {name} | {one['prompts']} | {' | '.join(cells)} | "
                     f"{percent(one['agreement'])} |")  # fmt: skip
    sure = [name for name, one in found.items() if one["margin"]["low"] > 0]
    fell = [name for name, one in found.items() if one["chosen"]["high"] < 0]
    lines += ["", f"Held-out margins surely grew on: {', '.join(sure) or 'none'}. Preferred answers"
              f" surely became less likely on: {', '.join(fell) or 'none'}. 95 % intervals over "
              "seeds and test prompts; agreement is that of the change with people, chance 50.", "",
              f"Recipe recipes/real/dpo.yaml, {Path(model).name or 'madrigal/base-xs'}, "
              f"{seeds} seeds. Made by `python benchmarks/preference_margins.py`."
              ]  # fmt: skip
    return "\n".join(lines) + "\n"


def rows_of(found: Mapping[str, dict]) -> list[Line]:
    told = []
    for name, one in found.items():
        margin, agreement = one["margin"], one["agreement"]
        sure = margin["low"] > 0
        what = f"{name}: DPO moved held-out margins by"
        told.append(Line(what, margin["mean"], "nats", "above 0, surely", sure))
        what = f"{name}: people on the side of that change"
        told.append(Line(what, 100 * agreement["mean"], "%"))
    return told


def main() -> None:
    arguments = sys.argv[1:]
    model = base_of(arguments)
    if "seed" in arguments:
        made(RECIPE, int(arguments[-1]), model)
        return
    seeds = next((int(word) for word in arguments if word.isdigit()), len(SEEDS))
    folders = [made(RECIPE, seed, model) for seed in range(seeds)]
    late, early = ([predicted(one, stage) for one in folders] for stage in (AFTER, START))
    found = {
        name: {"prompts": len({row.cluster for row in late[0][name]})}
        | {
            what: asdict(value)
            for what, value in moved([o[name] for o in late], [o[name] for o in early]).items()
        }
        for name in late[0]
    }
    save("preference_margins", rows_of(found), model=Path(model).name or "base-xs", seeds=seeds,
         each=found)  # fmt: skip
    (RESULTS / "preference_margins.md").write_text(page(found, model, seeds), encoding="utf-8")
    print(json.dumps({name: one["margin"] for name, one in found.items()}, indent=1))


if __name__ == "__main__":
    main()
