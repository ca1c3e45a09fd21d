"""What was found about feedback, for a terminal: numbers in a table, then in words."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from madrigal.evaluation.measure import Measure
from madrigal.feedback.annotators import Annotators
from madrigal.feedback.findings import Findings, Part
from madrigal.feedback.sentences import Sentence, amount, found, missing, title
from madrigal.feedback.words import counted, decimal_range, fixed, percent_range, share

_PEOPLE = 20  # annotators in the table: the least competent
_PLACES = 5  # contradictions that are named

# Name, value, interval, what it was measured on.
Row = tuple[str, str, str, str]


def view(findings: Findings, notes: Sequence[str], width: int) -> RenderableType:
    """What reading the data found worth saying, all parts one after another, and what could not be
    measured, in lines of some width."""
    several = len(findings.parts) > 1
    parts: list[RenderableType] = [*_dim([f"note: {note}" for note in notes], width)]
    for part in findings.parts:
        if several:
            parts.append(Text(f"\n{title(part)}", style="bold"))
        parts += [*_wrapped(amount(part), width), Text(""), _numbers(part)]
        if part.by_annotator is not None:
            parts += [Text(""), _people(part.by_annotator)]
        parts.append(Text(""))
        parts += [line for sentence in found(part) for line in _told(sentence, width)]
        parts += [Text(f"  {place}", style="dim") for place in _places(part)]
    gaps = missing(findings)
    return Group(*parts, *([Text("")] if gaps else []), *_dim(gaps, width))


def rows(part: Part) -> Iterator[Row]:
    """The numbers of a part."""
    for metric, alpha in part.alpha.items():
        yield _plain(f"Krippendorff's alpha, {metric}", alpha, "item")
    yield from _known("two votes agree", part.agreement, "vote")
    if part.ceiling is not None:
        yield _share("ceiling, one vote: at least", part.ceiling.least, "vote")
        yield _share("ceiling, one vote: at most", part.ceiling.most, "vote")
        yield _share("ceiling, majority: at most", part.ceiling.majority, "vote")
    if part.correlation_ceiling is not None:
        yield _plain("ceiling, correlation with a rater", part.correlation_ceiling, "item")
    if part.flips is not None:
        yield from _known("flip rate, repeated votes", part.flips.repeated, "vote")
        yield from _known("flip rate, Dawid-Skene", part.flips.dawid_skene, "vote")
        yield from _known("flip rate, annotators by themselves", part.flips.own, "repeat")
        yield from _known("flip rate: at most", part.flips.at_most, "vote")
    yield from _known("annotators change their verdict", part.self_disagreement, "repeat")
    if part.cycles is not None:
        yield _share("triples that are cycles", part.cycles.rate, "triple")
    if part.order_swaps is not None:
        yield _share("same verdict when swapped", part.order_swaps.consistent, "pair")
        yield _share("first place wins both times", part.order_swaps.first, "pair")
        yield _share("second place wins both times", part.order_swaps.second, "pair")
    yield from _known("longer answer preferred", part.length, "vote")
    if part.length_correlation is not None:
        yield _plain("length and rating, rank correlation", part.length_correlation, "answer")
    yield from _known("answer shown first preferred", part.position, "vote")
    if part.contradictions is not None:
        yield from _known("opposite verdicts, same text", part.contradictions.exact, "group")
        yield from _known("opposite verdicts, similar text", part.contradictions.near, "group")


def _known(name: str, measure: Measure | None, of: str) -> Iterator[Row]:
    if measure is not None:
        yield _share(name, measure, of)


def _share(name: str, measure: Measure, of: str) -> Row:
    return name, share(measure.value), percent_range(measure), counted(measure.n, of)


def _plain(name: str, measure: Measure, of: str) -> Row:
    return name, fixed(measure.value), decimal_range(measure), counted(measure.n, of)


def _numbers(part: Part) -> Table:
    return _table(("measure", "value", "95 % interval", "on"), rows(part))


def _people(people: Annotators) -> Table:
    by_competence = sorted(people.each, key=lambda one: (one.competence.value, one.name))
    table = _table(
        ("annotator", "competence", "interval", "accuracy", "interval", "votes", "verdict"),
        (
            (
                one.name,
                fixed(one.competence.value),
                decimal_range(one.competence),
                share(one.accuracy.value),
                percent_range(one.accuracy),
                f"{one.votes:,}",
                one.verdict or "–",
            )
            for one in islice(by_competence, _PEOPLE)
        ),
    )
    if len(by_competence) > _PEOPLE:
        table.caption = f"the {_PEOPLE} least competent of {len(by_competence):,}"
        table.caption_justify = "left"
    return table


def _table(columns: Sequence[str], cells: Iterator[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _told(sentence: Sentence, width: int) -> Iterator[Text]:
    mark = ("▼ ", "bold red") if sentence.warns else ("· ", "dim")
    for line in _wrapped(sentence.text, width - 2):
        yield Text.assemble(mark, line)
        mark = ("  ", "")


def _dim(lines: Sequence[str], width: int) -> list[Text]:
    return [Text(part.plain, style="dim") for line in lines for part in _wrapped(line, width)]


def _wrapped(text: str, width: int) -> list[Text]:
    """Lines that keep a number and its unit together, which rich does not."""
    return [Text(line, no_wrap=True) for line in textwrap.wrap(text, width)]


def _places(part: Part) -> Iterator[str]:
    """`votes.jsonl:11 and votes.jsonl:213`: the first contradictions, without folders."""
    found = part.contradictions.examples if part.contradictions else ()
    for pair in found[:_PLACES]:
        yield " and ".join(where.rpartition("/")[-1] for where in pair)
    if len(found) > _PLACES:
        yield "... and more; --json has the places"
