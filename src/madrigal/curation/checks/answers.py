"""Answers that teach the wrong thing: empty, cut off, or with the prompt in them."""

import re
from collections.abc import Iterator

from madrigal.curation.finding import Seen, short
from madrigal.curation.sample import Sample

# Said in the place of an answer. Some are labels, so only written answers are looked at.
_SAID_FOR_NOTHING = (
    "n/a|na|nan|none|null|nil|<no output>|<nooutput>|no output|no answer|noanswer|<noinput>|"
    "<no input>|undefined|tbd|...|…|-|--|?|[]|{}|output|answer|response|xxx"
)
_NOTHING = frozenset(_SAID_FOR_NOTHING.split("|"))
# Words after which no sentence ends.
_SMALL_WORDS = (
    "a an the and or but nor of to in on at by for from with without into onto than that which who "
    "whose because although while if whether as is are was were be been has have had will would "
    "can could should may might must my your his her its our their this these those very such "
    "include includes including between about over under"
)
_GOES_ON = frozenset(_SMALL_WORDS.split())
_LEAST_WORDS = 6  # of an answer that can be said to be cut off
_LEAST_COPIED = 40  # characters of the prompt that an answer begins with

# Where one record of a file ran into the next, or a chat's marks stand in an answer.
_MARKS = re.compile(
    r"<\|(?:im_start|im_end|endoftext|user|assistant|system)\|>|\[/?INST\]|<</?SYS>>"
    r"|^\W{0,4}\d{0,3}\.?\s*(?:Instruction|Input|Prompt|Human|User|Question)\s*:\s*\S"
    r"|^#{2,3}\s*(?:\d+\.\s*)?(?:Instruction|Input|Response|Human|User)s?\b:?",
    re.MULTILINE | re.IGNORECASE,
)


def look_at_answers(sample: Sample) -> Iterator[Seen]:
    """`empty_answer`, `truncated_answer` and `prompt_in_answer`, of answers that are written."""
    if not sample.free:
        return
    for answer in sample.answers:
        said = answer.strip()
        if not said or {said.lower(), said.lower().rstrip(".")} & _NOTHING:
            yield Seen("empty_answer", "warning", f"the answer is {short(answer)!r}")
            continue
        ending = cut_off(said)
        if ending:
            yield Seen("truncated_answer", "warning", f"{ending}: … {short(said[-80:])}")
        yield from _leaked(sample, said)


def cut_off(answer: str) -> str:
    """What says that an answer ends too early; empty if nothing does."""
    words = answer.split()
    if len(words) < _LEAST_WORDS:
        return ""
    if answer.count("```") % 2:
        return "a block of code without its end"
    if answer[-1] in ",;(-–[{" and not answer.endswith(("--", ";)", ":-", ":-(", ":(")):
        return f"ends with {answer[-1]!r}"
    last = words[-1].lower()
    if last in _GOES_ON and words[-1][0].islower():
        return f"ends with '{last}'"
    return ""


def _leaked(sample: Sample, answer: str) -> Iterator[Seen]:
    asked = sample.content.strip()
    start = " ".join(asked.split())[:_LEAST_COPIED]
    if len(start) == _LEAST_COPIED and len(answer) > len(asked):
        squeezed = " ".join(answer[: 4 * len(asked)].split())
        if squeezed.startswith(start) and squeezed.startswith(" ".join(asked.split())):
            yield Seen("prompt_in_answer", "warning", f"begins with the prompt: {short(answer)}")
            return
    match = _MARKS.search(answer)
    if match and not _MARKS.search(sample.content):
        text = short(answer[max(0, match.start() - 40) : match.end() + 40])
        yield Seen("prompt_in_answer", "error", f"marks of a prompt: {text}")
