"""Metric definitions: the formula as on paper, and the words that scores.json holds."""

from dataclasses import dataclass

from markupsafe import Markup

from madrigal.report.numbers import metric_name
from madrigal.report.scoreboard import Scoreboard

_OVERLAP = "(1/n) · Σ<sub>i</sub> max<sub>r</sub> 2·P·R / (P + R)"

# Formula, and words for runs whose scores.json brings none.
_METRICS = {
    "accuracy": (
        "(1/n) · Σ<sub>i</sub> [ŷ<sub>i</sub> ∈ targets<sub>i</sub>], "
        "ŷ = argmax<sub>c</sub> log p(c | prompt)",
        "The share of examples whose most likely choice is an accepted answer.",
    ),
    "macro_f1": (
        "(1/C) · Σ<sub>c</sub> 2·TP<sub>c</sub> / (2·TP<sub>c</sub> + FP<sub>c</sub> "
        "+ FN<sub>c</sub>)",
        "F1 of each label, averaged over the labels: rare ones count as much as frequent ones.",
    ),
    "agreement": (
        "(1/n) · Σ<sub>i</sub> mean over compared pairs (a, b) of the share of people who prefer "
        "the one that the model prefers",
        "How far the model sides with people on which of two answers is better.",
    ),
    "exact_match": (
        "(1/n) · Σ<sub>i</sub> max<sub>r</sub> [norm(ŷ<sub>i</sub>) = norm(r)]",
        "The share of examples whose answer equals an accepted one after normalisation.",
    ),
    "token_f1": (
        f"{_OVERLAP}, P = shared words / |ŷ|, R = shared words / |r|",
        "F1 of the words shared with the accepted answer that fits best.",
    ),
    "rouge_l": (
        f"{_OVERLAP}, P = LCS / |ŷ|, R = LCS / |r|",
        "F of the longest common subsequence of words with the accepted answer that fits best.",
    ),
    "bleu": (
        "BP · exp(¼ · Σ<sub>n=1…4</sub> log p<sub>n</sub>), BP = min(1, e<sup>1 − |r| / |ŷ|</sup>)",
        "Corpus BLEU; the score of one example is smoothed and does not add up to it.",
    ),
    "chrf": (
        "(1 + β²) · P·R / (β²·P + R), β = 2",
        "Corpus chrF2 over character n-grams up to 6.",
    ),
    "perplexity": (
        "exp((1/N) · Σ<sub>t</sub> −log p(x<sub>t</sub> | x<sub>&lt;t</sub>))",
        "Over the N tokens of the text; lower is better; compares models of one tokenizer only.",
    ),
}
_OVERALL = {
    "unified": (
        "unified score",
        "(1/T) · Σ<sub>t</sub> (s<sub>t</sub> − chance<sub>t</sub>) / "
        "(ref<sub>t</sub> − chance<sub>t</sub>)",
        "ref is the score of the single-task model where there is one, else a perfect score.",
    ),
    "delta_m": (
        "mean relative change, Δm",
        "(100/T) · Σ<sub>t</sub> (M<sub>t</sub> − S<sub>t</sub>) / S<sub>t</sub>",
        "M is the multi-task, S the single-task score; above 0 is a gain.",
    ),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A name, its formula, and what it means."""

    name: str
    formula: Markup
    text: str


def definitions(board: Scoreboard) -> tuple[Definition, ...]:
    """Of the metrics and overall scores that this run has."""
    found = {}
    for task in board.tasks:
        formula, words = _METRICS.get(task.metric, ("", ""))
        text = task.definition or words
        if text:
            found[task.metric] = Definition(metric_name(task.metric), Markup(formula), text)
    overall = [("unified", board.unified), ("delta_m", board.delta_m)]
    for key, known in overall:
        if known:
            name, formula, words = _OVERALL[key]
            text = board.definitions.get(key) or words
            found[key] = Definition(name, Markup(formula), _sentence(text))
    return tuple(found.values())


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
