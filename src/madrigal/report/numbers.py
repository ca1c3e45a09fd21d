"""Numbers as people read them: 84.2 % (81.0 to 87.1), 3 min 40 s, 1.2 GB."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What JSON calls a number: a whole one arrives as int.
Number = int | float

SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"

# Shares of examples that are right; the other metrics in [0, 1] are customarily given times 100.
_SHARES = {"accuracy", "agreement", "exact_match"}
_PLAIN = {"perplexity"}
METRIC_NAMES = {
    "accuracy": "accuracy",
    "agreement": "agreement",
    "macro_f1": "macro-F1",
    "exact_match": "exact match",
    "token_f1": "token F1",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "chrf": "chrF",
    "perplexity": "perplexity",
}


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval, where one was computed."""

    value: Number
    low: Number | None = None
    high: Number | None = None

    def scaled(self, factor: Number) -> "Interval":
        """All three times a factor."""
        ends = (None if end is None else factor * end for end in (self.low, self.high))
        return Interval(factor * self.value, *ends)


def number(value: Any) -> float | None:
    """The value as a finite float, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """The value as an object of JSON, empty for anything else."""
    return value if isinstance(value, dict) else {}


def counted(count: int, noun: str) -> str:
    """1 task, 2 tasks."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def metric_name(metric: str) -> str:
    """The metric as a word in a sentence."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def has_own_scale(metric: str) -> bool:
    """Whether values of the metric have no common scale of 0 to 100 with the others."""
    return metric in _PLAIN


def scaled(value: Number, metric: str) -> float:
    """The value on the scale that it is printed in."""
    return value if metric in _PLAIN else 100 * value


def plain(value: Number, metric: str) -> str:
    """One value without unit: 84.2 for 0.842 accuracy, 12.3 for a perplexity of 12.3."""
    return _three_digits(value) if metric in _PLAIN else _fixed(100 * value, 1)


def unit(metric: str) -> str:
    """What stands behind a value of the metric: a percent sign or nothing."""
    return f"{SPACE}%" if metric in _SHARES else ""


def score(value: Interval | None, metric: str) -> str:
    """84.2 % (81.0 to 87.1); a dash where there is no value."""
    if value is None:
        return DASH
    return f"{plain(value.value, metric)}{unit(metric)}{score_range(value, metric)}"


def score_range(value: Interval, metric: str) -> str:
    """The bracket behind a score, ` (81.0 to 87.1)`, or nothing."""
    if value.low is None or value.high is None:
        return ""
    return f" ({plain(value.low, metric)} to {plain(value.high, metric)})"


def signed(value: Number, metric: str) -> str:
    """A difference with its sign, without unit: +3.1."""
    text = plain(abs(value), metric)
    if not any(digit in "123456789" for digit in text):
        return text  # neither +0.0 nor -0.0
    return f"{'+' if value > 0 else MINUS}{text}"


def difference(value: Interval, metric: str) -> str:
    """+3.1 points (+1.0 to +5.2)."""
    points = "" if metric in _PLAIN else f"{SPACE}points"
    return f"{signed(value.value, metric)}{points}{difference_range(value, metric)}"


def difference_range(value: Interval, metric: str) -> str:
    """The bracket behind a difference, ` (+1.0 to +5.2)`, or nothing."""
    if value.low is None or value.high is None:
        return ""
    return f" ({signed(value.low, metric)} to {signed(value.high, metric)})"


def count(value: Number) -> str:
    """1,234,567."""
    return f"{round(value):,}".replace("-", MINUS)


def compact(value: Number) -> str:
    """About three digits: 950, 12.3 k, 1.18 M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            shown = value / (1e3 if letter == "k" else size)
            return f"{_three_digits(shown)}{SPACE}{letter}"
    return count(value) if abs(value) >= 100 or value == round(value) else _three_digits(value)


def power_of_ten(value: Number) -> str:
    """3.20 × 10¹⁵."""
    mantissa, exponent = f"{value:.2e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}{SPACE}×{SPACE}10{raised}"


def duration(seconds: Number) -> str:
    """4.2 s, 3 min 40 s, 2 h 05 min."""
    if seconds < 59.95:
        return f"{seconds:.1f}{SPACE}s" if seconds < 10 else f"{seconds:.0f}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{SPACE}min {rest:02d}{SPACE}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{SPACE}h {minutes:02d}{SPACE}min"


def size(bytes_: Number) -> str:
    """512 B, 1.2 GB (decimal units)."""
    for limit, letters in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if bytes_ >= limit:
            return f"{_three_digits(bytes_ / limit)}{SPACE}{letters}"
    return f"{bytes_:.0f}{SPACE}B"


def percent(share: Number, digits: int = 1) -> str:
    """12.5 % for 0.125."""
    return f"{_fixed(100 * share, digits)}{SPACE}%"


def p_value(value: Number) -> str:
    """p = 0.03, p < 0.001."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def when(text: Any) -> str:
    """An ISO date and time without seconds' fractions: 2026-11-21 05:30:12 UTC."""
    plain_text = str(text).replace("T", " ")
    for end in ("+00:00", "Z"):
        if plain_text.endswith(end):
            return plain_text.removesuffix(end).split(".")[0] + " UTC"
    return plain_text


def _three_digits(value: Number) -> str:
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return _fixed(value, digits)


def _fixed(value: Number, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    # What rounds to zero has no sign.
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)
