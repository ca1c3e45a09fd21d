"""Writes docs/reference/balancers.md: what each balancer does, and what it did on real tasks.

The words are the classes' own, the numbers those of results/balancers.json.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any, get_args

from balancers import BALANCERS, cell

from madrigal.balancing.build import build_balancer
from madrigal.evaluation.seeds import SeedScore
from madrigal.recipe.balance import BalancerSettings

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reference" / "balancers.md"
RESULTS = HERE / "results" / "balancers.json"
HEAD = """# Balancers

How much each task counts in a step: `stages[N].balance`. The settings and their ranges stand in
[recipe.md](recipe.md). G is the Gramian of the tasks' gradients, in the metric of
`stages[N].gradients.metric`.

"On real tasks" is one bench for all: six classification sets that share a LoRA adapter
(`recipes/real/balancers.yaml`), the mean over tasks against equal weights, in points, with a 95 %
interval over three seeds and the test examples. The whole table is
[here](../../benchmarks/results/balancers.md).
"""


def kinds() -> dict[str, Any]:
    """Settings with their defaults, by kind, in the recipe's order."""
    union = get_args(get_args(BalancerSettings)[0])
    needed = {"fixed": {"weights": {"task": 1.0}}}
    found = {cls.model_fields["kind"].default: cls for cls in union}
    return {kind: cls.model_validate(needed.get(kind, {})) for kind, cls in found.items()}


def measured(results: dict[str, Any]) -> dict[str, list[str]]:
    """Sentences of each kind."""
    told: dict[str, list[str]] = {"equal": ["The row that the others are compared with."]}
    told["fixed"] = [_sentence(t, results) for t in results["results"] if t.startswith("fixed")]
    told["agem"] = ["Not on this bench, where nothing is replayed."]
    # With it every example counts the same, so the sampling decides.
    told["mean"] = [
        _sentence(t, results) for t in results["results"] if t.startswith("sampling in")
    ]
    for row in BALANCERS:
        (setting,) = (text.partition("=")[2] for text in row.overrides)
        named = re.search(r"kind: (\w+)", setting)
        told.setdefault(named[1] if named else setting, []).append(_sentence(row.title, results))
    return told


def _sentence(title: str, results: dict[str, Any]) -> str:
    found = results["results"][title]
    mean = SeedScore(**{**found["mean"], "runs": tuple(found["mean"]["runs"])})
    cost = results["costs"].get(title)
    price = f"; a step takes {cost:.2f} times as long" if cost else ""
    return f"{title}: {cell(mean)} points{price}."


def page(results: dict[str, Any]) -> str:
    told = measured(results)
    parts = [HEAD]
    for kind, settings in kinds().items():
        text = inspect.getdoc(type(build_balancer(settings))) or ""
        lines = " ".join(told[kind])
        parts.append(f"## `{kind}`\n\n{text}\n\n**On real tasks.** {lines}\n")
    return "\n".join(parts)


def main() -> None:
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
