"""Section 9: what a person needs to make the run again, and what went wrong on the way."""

from dataclasses import dataclass
from typing import Any

from madrigal.report import numbers
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import mapping, number

_MOST_WARNINGS = 50

DETERMINISM = {
    "fast": "seeds only; sums may be taken in another order",
    "repeatable": "deterministic algorithms where there are any",
    "strict": "deterministic algorithms only",
}


@dataclass(frozen=True, slots=True)
class ManifestView:
    """The manifest in groups of (name, value)."""

    command: str
    dates: str
    status: str
    run: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    cost: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str, str], ...]  # path, size, sha256
    resumed: tuple[str, ...]
    warnings: tuple[str, ...]
    more_warnings: int


def manifest_view(run: RunFolder) -> ManifestView | None:
    """The manifest's groups, or None where it is missing."""
    manifest = run.manifest
    if not manifest:
        return None
    warnings = _lines(manifest.get("warnings"))
    return ManifestView(
        command=_command(manifest.get("command")),
        dates=_dates(manifest),
        status=str(manifest.get("status", "")),
        run=tuple(_run_facts(manifest)),
        environment=(*_flat(manifest.get("environment")), *_flat(manifest.get("hardware"))),
        cost=tuple(_cost(manifest)),
        data=tuple(_data(manifest.get("data"))),
        resumed=tuple(_lines(manifest.get("resumed"))),
        warnings=tuple(warnings[:_MOST_WARNINGS]),
        more_warnings=max(0, len(warnings) - _MOST_WARNINGS),
    )


def _command(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _dates(manifest: Json) -> str:
    started, finished = manifest.get("started"), manifest.get("finished")
    if not started:
        return ""
    first, last = numbers.when(started), numbers.when(finished)
    if not finished:
        return f"{first}, not finished"
    same_day = first[:11] == last[:11] and first.endswith(" UTC")
    return f"{first.removesuffix(' UTC')} to {last[11:] if same_day else last}"


def _run_facts(manifest: Json) -> list[tuple[str, str]]:
    level = str(manifest.get("determinism", ""))
    code, model = mapping(manifest.get("code")), mapping(manifest.get("model"))
    facts = [
        ("status", str(manifest.get("status", ""))),
        ("seed", str(manifest.get("seed", ""))),
        ("determinism", f"{level}: {DETERMINISM[level]}" if level in DETERMINISM else level),
        ("Madrigal", str(code.get("version") or manifest.get("madrigal") or "")),
        ("commit", str(code.get("commit") or "") + (" with changes" if code.get("dirty") else "")),
        ("recipe, sha256", str(manifest.get("recipe_sha256", ""))),
        ("base model", str(model.get("base", ""))),
        *_weights(model.get("sha256")),
        *(
            (key, str(model.get(key) or ""))
            for key in ("revision", "context", "precision", "device")
        ),
    ]
    for key, name in (("parameters", "parameters"), ("trainable", "trained parameters")):
        if (value := number(model.get(key))) is not None:
            facts.append((name, numbers.count(value)))
    return [(name, value) for name, value in facts if value]


def _weights(value: Any) -> list[tuple[str, str]]:
    """One hash, or one for each file."""
    if isinstance(value, str):
        return [("base weights, sha256", value)]
    return [(f"{name}, sha256", str(digest)) for name, digest in mapping(value).items()]


def _cost(manifest: Json) -> list[tuple[str, str]]:
    facts = [
        (f"time, {str(phase).replace('_', ' ')}", numbers.duration(seconds))
        for phase, raw in mapping(manifest.get("timings")).items()
        if (seconds := number(raw)) is not None
    ]
    for stage, raw in mapping(manifest.get("tokens")).items():
        if (tokens := number(raw)) is not None:
            facts.append((f"tokens, {stage}", numbers.count(tokens)))
    for name, raw in mapping(manifest.get("flops")).items():
        if (flops := number(raw)) is not None:
            facts.append((f"FLOPs, {name}", numbers.power_of_ten(flops)))
    if (peak := number(manifest.get("peak_memory_bytes"))) is not None:
        facts.append(("peak memory", numbers.size(peak)))
    return facts


def _data(value: Any) -> list[tuple[str, str, str]]:
    """Files, whether they stand in the manifest by path or by task."""
    found = []
    for path, raw in mapping(value).items():
        parts = mapping(raw)
        if "files" in parts:
            found.append((f"{path}, records as split", "", str(parts.get("records_sha256", ""))))
            found += _data(parts["files"])
            continue
        size = number(parts.get("bytes"))
        digest = str(parts.get("sha256", raw if isinstance(raw, str) else ""))
        found.append((str(path), "" if size is None else numbers.size(size), digest))
    return found


def _flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested mappings as dotted names; long lists stay one line each."""
    found = []
    for key, inner in mapping(value).items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict):
            found += _flat(inner, f"{name}.")
        elif isinstance(inner, list):
            found.append((name, ", ".join(map(str, inner))[:2000]))
        elif inner is not None:
            found.append((name, str(inner)[:2000]))
    return found


def _lines(value: Any) -> list[str]:
    """A list of sentences, or of records that are told as `name value, ...`."""
    found = []
    for entry in value if isinstance(value, list) else ():
        parts = [f"{key} {numbers.when(part)}" for key, part in mapping(entry).items()]
        found.append(", ".join(parts) or numbers.when(entry))
    return found
