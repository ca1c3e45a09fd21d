"""The shape of a result: what was measured, on what machine, against what target."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Line:
    """One measured number. `met` is None where nothing was promised."""

    what: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


def machine() -> dict[str, str | int]:
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "torch": version("torch"),
        "madrigal": version("madrigal"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.exists() else ())
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()


def save(benchmark: str, lines: Sequence[Line], **details: object) -> Path:
    """Writes results/BENCHMARK.json and prints the lines."""
    path = RESULTS / f"{benchmark}.json"
    content = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "rows": [asdict(line) for line in lines],
        **details,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for line in lines:
        promise = f"  (target {line.target})" if line.target else ""
        print(f"{line.what}: {line.value:.3g} {line.unit}{promise}")
    return path
