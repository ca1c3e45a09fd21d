"""Section 6: what the tasks' data are, as far as their cards tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from madrigal.report import figures, numbers, strip_figures
from madrigal.report.cleaned import Copy, copies
from madrigal.report.curation import Found, found_in
from madrigal.report.folder import Json, RunFolder
from madrigal.report.numbers import mapping, number
from madrigal.report.outputs import middle_out

_SAMPLES, _SAMPLE_LENGTH, _LABELS, _NOTES, _BAD = 3, 700, 12, 20, 200
_EXAMPLES = 3  # records to read of each kind of finding


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One label: how often in training, how often in test."""

    name: str
    train: str
    test: str
    figure: Markup


@dataclass(frozen=True, slots=True)
class DataView:
    """One task's data, ready for the page."""

    task: str
    format: str
    kind: str
    counts: tuple[tuple[str, str], ...]  # in the order of the overview's columns
    extra: tuple[tuple[str, str], ...]
    lengths: Markup
    labels: tuple[LabelRow, ...]
    more_labels: int
    samples: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str, str], ...]  # path, size and records, sha256
    notes: tuple[str, ...]
    bad: tuple[str, ...]  # rows that were left out, and what was wrong with them
    more_bad: int
    quality: tuple[tuple[str, bool], ...]  # sentences about judged answers, and which of them warn
    gaps: tuple[str, ...]  # what of the quality could not be measured
    found: tuple[Found, ...]  # by curation
    given: tuple[tuple[str, tuple[LabelRow, ...], int], ...]  # by field, and values not shown
    who: str
    cleaned: tuple[Copy, ...]  # files of it that are cleaned copies


COLUMNS = ("train", "validation", "test", "tokens to train", "prompt, median", "longest prompt")
_SPLITS = ("train", "validation", "test")


def data_views(run: RunFolder, order: Sequence[str], share: float = 1.0) -> tuple[DataView, ...]:
    """Cards in the order of the score table, others behind; `share` scales how much is shown."""
    names = [name for name in order if name in run.cards]
    names += [name for name in run.cards if name not in names]
    examples = max(1, round(_EXAMPLES * share))
    return tuple(_view(name, run.cards[name], examples) for name in names)


def _view(name: str, card: Json, examples: int) -> DataView:
    counts, tokens = mapping(card.get("counts")), mapping(card.get("tokens"))
    cells = [_count(counts.get(split)) for split in _SPLITS]
    cells += [_count(tokens.get(key)) for key in ("train_total", "prompt_median", "prompt_max")]
    histogram = mapping(card.get("histogram"))
    edges, bars = (_numbers(histogram.get(key)) for key in ("edges", "counts"))
    labels = mapping(card.get("labels"))
    notes, bad = card.get("notes"), _texts(card.get("bad_rows"))
    return DataView(
        task=name,
        format=str(card.get("format", "")),
        kind=str(card.get("kind", "")),
        counts=tuple(zip(COLUMNS, cells, strict=True)),
        extra=tuple(_extra(counts, tokens, mapping(card.get("truncated")))),
        lengths=figures.histogram(edges, bars, name=f"Lengths in {name}", x_name="tokens"),
        labels=_labels(labels),
        more_labels=max(0, len(mapping(labels.get("train"))) - _LABELS),
        samples=_samples(card.get("samples")),
        files=_files(card.get("files")),
        notes=tuple(str(note) for note in notes[:_NOTES]) if isinstance(notes, list) else (),
        bad=bad[:_BAD],
        more_bad=len(bad[_BAD:]),
        quality=_said(mapping(card.get("quality")).get("said")),
        gaps=_texts(mapping(card.get("quality")).get("gaps")),
        found=found_in(card, examples),
        given=_given(mapping(mapping(card.get("curation")).get("fields"))),
        who=_who(mapping(card.get("curation"))),
        cleaned=copies(card),
    )


def _extra(counts: Json, tokens: Json, truncated: Json) -> list[tuple[str, str]]:
    """What was left out and cut: said even where it is nothing."""
    found = [
        (key.replace("_", " "), numbers.count(value))
        for key, raw in counts.items()
        if key not in _SPLITS and (value := number(raw)) is not None
    ]
    if (examples := number(truncated.get("examples"))) is not None:
        cut = number(truncated.get("tokens")) or 0
        some = f"{numbers.count(examples)} ({numbers.count(cut)} tokens)"
        found.append(("truncated examples", some if examples else "none"))
    for key, name in (
        ("prompt_p95", "prompt, 95th percentile"),
        ("answer_median", "answer, median"),
        ("answer_max", "longest answer"),
    ):
        if (value := number(tokens.get(key))) is not None:
            found.append((name, f"{numbers.count(value)} tokens"))
    return found


def _labels(labels: Json) -> tuple[LabelRow, ...]:
    train, test = (mapping(labels.get(split)) for split in ("train", "test"))
    counts = {str(k): v for k, raw in train.items() if (v := number(raw)) is not None}
    held = {str(k): v for k, raw in test.items() if (v := number(raw)) is not None}
    whole, whole_test = sum(counts.values()) or 1.0, sum(held.values())
    names = sorted(counts, key=lambda name: (-counts[name], name))[:_LABELS]
    shares = {name: counts[name] / whole for name in names}
    in_test = {name: held.get(name, 0.0) / whole_test for name in names} if whole_test else {}
    limit = max([*shares.values(), *in_test.values()], default=1.0) * 1.02
    rows = []
    for name in names:
        tested = in_test.get(name)
        texts = (numbers.percent(shares[name]), "" if tested is None else numbers.percent(tested))
        bar = strip_figures.share_bar(
            shares[name], tested, limit, "ink", f"{name}: {texts[0]} of training"
        )
        rows.append(LabelRow(name, *texts, bar))
    return tuple(rows)


def _given(fields: Json) -> tuple[tuple[str, tuple[LabelRow, ...], int], ...]:
    """Fields that the rows have beside prompt and answer, as labels are shown."""
    found = []
    for name, splits in fields.items():
        counted = mapping(splits)
        if rows := _labels(counted):
            found.append((str(name), rows, len(mapping(counted.get("train"))) - len(rows)))
    return tuple(found)


def _who(card: Json) -> str:
    """In what share of the records that were looked at a word stands that names people."""
    looked_at = sum(number(n) or 0 for n in mapping(card.get("looked_at")).values())
    shares = [
        f"{name} {numbers.percent(times / looked_at)}"
        for name, raw in mapping(card.get("groups")).items()
        if looked_at and (times := number(raw))
    ]
    return ", ".join(shares)


def _samples(value: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for sample in value[:_SAMPLES] if isinstance(value, list) else ():
        parts = mapping(sample)
        prompt, answer = (str(parts.get(key, "")) for key in ("prompt", "answer"))
        found.append((middle_out(prompt, _SAMPLE_LENGTH), middle_out(answer, _SAMPLE_LENGTH)))
    return tuple(found)


def _said(value: Any) -> tuple[tuple[str, bool], ...]:
    parts = [mapping(one) for one in value] if isinstance(value, list) else []
    return tuple((str(one.get("text", "")), one.get("warns") is True) for one in parts)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _files(value: Any) -> tuple[tuple[str, str, str], ...]:
    found = []
    for file in value if isinstance(value, list) else ():
        parts = mapping(file)
        facts = [numbers.size(v)] if (v := number(parts.get("bytes"))) is not None else []
        facts += (
            [f"{numbers.count(v)} records"]
            if (v := number(parts.get("records"))) is not None
            else []
        )
        found.append((str(parts.get("path", "")), ", ".join(facts), str(parts.get("sha256", ""))))
    return tuple(found)


def _count(value: Any) -> str:
    known = number(value)
    return numbers.DASH if known is None else numbers.compact(known)


def _numbers(value: Any) -> list[float]:
    listed = value if isinstance(value, list) else ()
    return [known for raw in listed if (known := number(raw)) is not None]
