"""Runs every benchmark alone, one after another, and writes their table.

python benchmarks/run_all.py [NAME...]        all of them, or those named
python benchmarks/run_all.py --table          only the table, from results/*.json
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BENCHMARKS = (
    "startup",
    "matmul_share",
    "ranking",
    "answer_tuning",
    "own_answers",
    "per_task_gradients",
    "ride_along",
    "retention",
    "preference_toys",
    "policy_toys",
)


def run(names: tuple[str, ...]) -> list[str]:
    """Names of those that failed."""
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, HERE / f"{name}.py"], cwd=HERE.parent).returncode:
            failed.append(name)
    return failed


def table(results: dict[str, dict[str, Any]]) -> str:
    lines = ["| benchmark | measured | value | target | met |", "|---|---|---|---|---|"]
    for name, result in results.items():
        for row in result["rows"]:
            met = {True: "yes", False: "**no**", None: ""}[row.get("met")]
            value = f"{row['value']:.3g} {row['unit']}".strip()
            lines.append(f"| {name} | {row['what']} | {value} | {row.get('target', '')} | {met} |")
    machines = {
        f"{m['processor']}, {m['cores']} cores, torch {m['torch']}, {result['date']}"
        for result in results.values()
        if (m := result.get("machine"))
    }
    return "\n".join([*lines, "", *(f"Measured on {text}." for text in sorted(machines))]) + "\n"


def read_results() -> dict[str, dict[str, Any]]:
    read = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((HERE / "results").glob("*.json"))
    }
    return {name: result for name, result in read.items() if "rows" in result}


def main() -> None:
    arguments = sys.argv[1:]
    names = tuple(name for name in arguments if name != "--table") or BENCHMARKS
    failed = [] if "--table" in arguments else run(names)
    text = table(read_results())
    (HERE / "results" / "table.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
