"""What stands under a key of `search`: a list of values, or a range."""

import math

from madrigal.recipe.node import Mistake, Node
from madrigal.recipe.suggest import did_you_mean
from madrigal.sweep.knob import Choices, Knob, Range, text_of

_KEYS = ("low", "high", "scale", "step")
_SCALES = ("linear", "log")
_EXAMPLE = "write a list, as [4, 8, 16], or a range, as {low: 1e-5, high: 1e-3, scale: log}"


def knob_of(key: str, node: Node) -> Knob | Mistake:
    """The knob, or what is wrong with it."""
    if isinstance(node.value, list):
        return _choices(key, node)
    if isinstance(node.value, dict) and {"low", "high"} & set(node.value):
        return _range(key, node)
    found = "a mapping without low and high" if isinstance(node.value, dict) else "one value"
    return Mistake(node, f"{found}; {_EXAMPLE}")


def _choices(key: str, node: Node) -> Knob | Mistake:
    values = tuple(element.plain() for element in node.elements())
    if len(values) < 2:
        count = "one value" if values else "no value"
        return Mistake(node, f"{count} to choose from; a choice needs two or more")
    labels = [text_of(value) for value in values]
    for label in labels:
        if labels.count(label) > 1:
            return Mistake(node, f"{label} stands twice; write each value once")
    return Choices(key, values)


def _range(key: str, node: Node) -> Knob | Mistake:
    for name, child in node.entries():
        if name not in _KEYS:
            return Mistake(child, f"unknown key{did_you_mean(name, _KEYS)}")
    for name in ("low", "high", "step"):
        child = node.get(name)
        if not child.present and name == "step":
            continue
        if child.number is None or not math.isfinite(child.number):
            found = f"found {child.raw or 'no number'}" if child.present else "missing"
            return Mistake(child, f"{found}; a range has a number for low and one for high")
    scale = node.get("scale")
    if scale.present and scale.text not in _SCALES:
        return Mistake(scale, f"unknown scale {scale.raw!r}; write linear or log")
    return _bounded(key, node, scale.text == "log")


def _bounded(key: str, node: Node, log: bool) -> Knob | Mistake:
    low, high, step = (node.get(name).number for name in ("low", "high", "step"))
    assert low is not None
    assert high is not None
    if low >= high:
        return Mistake(node, f"empty range: low {low:g} is not below high {high:g}")
    if log and low <= 0:
        return Mistake(node, f"a log scale starts above 0; low is {low:g}")
    if log and step is not None:
        return Mistake(node, "a log scale has no step; remove one of the two")
    if step is not None and not 0 < step <= high - low:
        return Mistake(node, f"step {step:g} does not fit between {low:g} and {high:g}")
    return Range(key, low, high, log, step=step)
