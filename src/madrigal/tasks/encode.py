"""Records as tokens, with the trained part marked."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from madrigal.errors import DataError
from madrigal.tasks.bad import SHORTEN
from madrigal.tasks.encoded import Encoded, Example
from madrigal.tasks.judge import judge
from madrigal.tasks.pieces import Pieces
from madrigal.tasks.record import Record, Turn
from madrigal.tasks.rendering import ChatForm, Form, PlainForm, Rendered
from madrigal.tasks.row import Mistakes
from madrigal.tasks.shorten import shorter, split_body
from madrigal.tasks.task import Split, Task
from madrigal.tasks.windows import text_windows

# A prompt keeps at least so many tokens of its end (a quarter of very short contexts), however
# long the answer: an answer that no longer fits is refused, never cut.
PROMPT_ROOM = 16


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A whole prompt as tokens; earlier answers of the model in it may be trained."""

    tokens: Int[np.ndarray, " P"]
    trained: Bool[np.ndarray, " P"]
    rendered: Rendered
    lost: int = 0


class Coder:
    """Tokens of records for one tokenizer and context length.

    The plain form is: start token (where the tokenizer adds one), prompt, one space unless the
    prompt ends in white space, answer, end token. Where the tokenizer has a chat template and
    `use_chat_template` is set, the template says what stands around the turns. Prompt and answer
    are tokenised apart, so `prompt(record)`, `answer(record, text)` and the end token are exactly
    the tokens of the example.
    """

    def __init__(self, tokenizer: Any, context: int, use_chat_template: bool) -> None:
        self.tokenizer = tokenizer
        self.context = context
        self._pieces = Pieces(tokenizer)
        templated = use_chat_template and bool(getattr(tokenizer, "chat_template", None))
        self.templated = templated
        end = self._pieces.end
        self._form: Form = ChatForm(tokenizer, end) if templated else PlainForm(end)
        self._start = () if templated else self._pieces.start  # a template brings its own
        self._room = min(PROMPT_ROOM, context // 4)
        self.end: int = self._form.end
        self.start: tuple[int, ...] = self._pieces.start  # of raw text
        pad = tokenizer.pad_token_id
        self.pad: int = self.end if pad is None else int(pad)
        self._answer_ids = lru_cache(maxsize=1 << 16)(self._encode_answer)

    def example(self, record: Record, task: Task) -> Example:
        """Training form of one record: prompt, answer, end token. Raw text: all its windows.

        Judged answers: a row each, behind the very same prompt.
        DataError if an answer, or one of the choices, leaves no room for a prompt.
        """
        if task.kind == "text":
            return tuple(self.windows([record]))
        return self._rows(record, task, *self._encoded([record])[0])

    def training(self, task: Task, split: Split) -> list[Example]:
        """All examples of a split. DataError with every answer that is too long."""
        records = task.splits[split]
        if task.kind == "text":
            return [(window,) for window in self.windows(records)]
        mistakes = Mistakes()
        examples: list[Example] = []
        for record, encoded in zip(records, self._encoded(records), strict=True):
            try:
                examples.append(self._rows(record, task, *encoded))
            except DataError as error:
                mistakes.add(task.name, error.mistakes)
        mistakes.raise_any()
        return examples

    def check(self, task: Task) -> None:
        """Refuse choices and judged answers, of any split, that leave no room for a prompt.

        DataError with all. Free answers are not checked: what is generated need not be as long as
        what was accepted.
        """
        mistakes = Mistakes()
        for record in (record for split in task.splits.values() for record in split):
            try:
                self.check_record(record)
            except DataError as error:
                mistakes.add(task.name, error.mistakes)
        mistakes.raise_any()

    def check_record(self, record: Record, trained: bool = False) -> None:
        """DataError if its choices or judged answers, or what is `trained` of it, do not fit."""
        self._check_fit(record, (*_ranked(record), *(_trained(record) if trained else ())))

    def windows(self, records: Sequence[Record]) -> list[Encoded]:
        """Raw text as rows of at most `context` tokens; see `text_windows`."""
        return text_windows([record.text for record in records], self._pieces, self.context)

    def prompt(self, record: Record, room: int = 0) -> Int[np.ndarray, " T"]:
        """The tokens before the answer in the record's example.

        Shortened where they leave too little room for the longest choice or answer, or, for
        generation, for `room` tokens.
        """
        self._check_fit(record, _ranked(record))
        prompt = self._prompts([record])[0]
        return self._fitted(record, prompt, max(room, self._needed(record, prompt))).tokens

    def prompt_length(self, record: Record) -> int:
        """Tokens of the whole prompt, before anything is cut away."""
        return len(self._prompts([record])[0].tokens)

    def answer(self, record: Record, text: str) -> Int[np.ndarray, " A"]:
        """The tokens that `text` has as this record's answer, without the end token."""
        lead = self._render(record.turns).lead_of(text)
        return np.array(self._answer_ids(lead + text), dtype=np.int64)

    def _encode_answer(self, text: str) -> tuple[int, ...]:
        return tuple(self._pieces.continuations([text])[0])

    def _encoded(self, records: Sequence[Record]) -> list[tuple[_Prompt, list[list[int]]]]:
        """Whole prompts and the tokens of the answers behind them."""
        prompts = self._prompts(records)
        said = list(zip(prompts, map(_trained, records), strict=True))
        texts = [prompt.rendered.lead_of(text) + text for prompt, some in said for text in some]
        encoded = iter(self._pieces.continuations(texts))
        return [(prompt, list(islice(encoded, len(some)))) for prompt, some in said]

    def _rows(
        self, record: Record, task: Task, prompt: _Prompt, answers: Sequence[Sequence[int]]
    ) -> Example:
        self._check_fit(record, (*record.choices, *_trained(record)))
        prompt = self._fitted(record, prompt, self._needed(record, prompt))
        said = [np.array([*answer, self.end], dtype=np.int64) for answer in answers]
        judged = [None] if record.feedback is None else judge(record.feedback, said, task.trust)
        return tuple(
            Encoded(
                np.concatenate([prompt.tokens, tokens]),
                np.concatenate([prompt.trained, np.ones(len(tokens), dtype=bool)]),
                prompt.lost,
                what,
            )
            for tokens, what in zip(said, judged, strict=True)
        )

    def _check_fit(self, record: Record, texts: Sequence[str]) -> None:
        most = self.context - self._room - 1
        # A token is at least a byte, and a space may come before: most texts need no counting.
        if _longest(tuple(texts)) + 1 <= most:
            return
        found = max(len(self.answer(record, text)) for text in texts)
        if found > most:
            raise DataError(
                f"{record.where}: the answer has {found} tokens; with a context of "
                f"{self.context} at most {most} fit{SHORTEN}"
            )

    def _needed(self, record: Record, prompt: _Prompt) -> int:
        """Tokens to keep free behind the prompt: the longest choice or answer, and its end.

        The same for every choice or judged answer, so that all stand behind the same prompt.
        """
        texts = (*record.choices, *_trained(record))
        bound = _longest(texts) + 2
        if len(prompt.tokens) + bound <= self.context:
            return bound
        ids = (self._answer_ids(prompt.rendered.lead_of(text) + text) for text in texts)
        return 1 + max(map(len, ids), default=0)

    def _fitted(self, record: Record, whole: _Prompt, needed: int) -> _Prompt:
        """The prompt as it fits: whole, else without its droppable parts, else cut.

        It is cut behind what introduces it (system message, opening of the chat template, the
        instruction of a record that knows it), or from its start where that leaves no room.
        """
        room = max(self._room, self.context - needed)
        if len(whole.tokens) <= room:
            return whole
        prompt = whole
        for turns in shorter(record):
            prompt = self._prompts([replace(record, turns=turns)])[0]
            if len(prompt.tokens) <= room:
                break
        else:
            prompt = self._cut_inside(record, prompt, room) or self._cut(prompt, room)
        return replace(prompt, lost=len(whole.tokens) - len(prompt.tokens))

    def _cut_inside(self, record: Record, prompt: _Prompt, room: int) -> _Prompt | None:
        """The prompt without the first tokens of its body; None if too little would stay of it."""
        if any(piece.said for piece in prompt.rendered.pieces):
            return None
        parts = split_body(prompt.rendered, record.cuttable)
        encoded = iter(self._encode_pieces([Rendered(tuple(chain(*parts)), "")]))
        head, body, tail = (list(chain.from_iterable(islice(encoded, len(part)))) for part in parts)
        left = room - len(self._start) - len(head) - len(tail)
        if not head or left < min(self._room, len(body)):
            return None
        kept = body[max(0, len(body) - left) :]
        tokens = np.array([*self._start, *head, *kept, *tail], dtype=np.int64)
        return replace(prompt, tokens=tokens, trained=np.zeros(len(tokens), dtype=bool))

    def _cut(self, prompt: _Prompt, room: int) -> _Prompt:
        """The prompt without its first tokens; the start token stays."""
        lost = len(prompt.tokens) - room
        kept = len(self._start)
        tokens, trained = (
            np.concatenate([array[:kept], array[kept + lost :]])
            for array in (prompt.tokens, prompt.trained)
        )
        # What is left of an earlier answer that was cut through is no answer any more.
        rest = trained[kept:]
        rest[: len(rest) if rest.all() else int(rest.argmin())] = False
        return replace(prompt, tokens=tokens, trained=trained)

    def _prompts(self, records: Sequence[Record]) -> list[_Prompt]:
        """Whole prompts, never empty."""
        rendered = [self._render(record.turns) for record in records]
        encoded = iter(self._encode_pieces(rendered))
        prompts: list[_Prompt] = []
        for one in rendered:
            start = self._start if one.pieces else self.start
            tokens, trained = [*start], [False] * len(start)
            for piece in one.pieces:
                ids = [*next(encoded), *([self.end] if piece.said else [])]
                tokens += ids
                trained += [piece.trained] * len(ids)
            if not tokens:  # the first answer token needs something to be predicted from
                tokens, trained = [self.end], [False]
            prompts.append(
                _Prompt(np.array(tokens, dtype=np.int64), np.array(trained, dtype=bool), one)
            )
        return prompts

    def _render(self, turns: Sequence[Turn]) -> Rendered:
        """Turns in the model's form; a text that was judged without a prompt begins as raw text."""
        return self._form.render(turns) if turns else Rendered((), self._pieces.lead)

    def _encode_pieces(self, rendered: Sequence[Rendered]) -> list[list[int]]:
        """Tokens of all pieces in order, with one call of the tokenizer for each kind of piece."""
        flat = [(place == 0, piece) for one in rendered for place, piece in enumerate(one.pieces)]
        kinds: dict[tuple[bool, bool], list[int]] = defaultdict(list)
        for place, (first, piece) in enumerate(flat):
            kinds[first, piece.special].append(place)
        encoded: list[list[int]] = [[] for _ in flat]
        for (first, special), places in kinds.items():
            encode = self._pieces.starts if first else self._pieces.continuations
            batch = encode([flat[place][1].text for place in places], special)
            for place, ids in zip(places, batch, strict=True):
                encoded[place] = ids
        return encoded


def _trained(record: Record) -> tuple[str, ...]:
    """The answers that rows are made of."""
    return record.said[:1] if record.feedback is None else record.said


def _ranked(record: Record) -> tuple[str, ...]:
    """The answers that are compared with each other, so that all must fit."""
    return record.choices if record.feedback is None else record.said


@lru_cache(maxsize=1 << 12)  # the labels of a task are asked about once a record
def _longest(texts: tuple[str, ...]) -> int:
    return max((len(text.encode()) for text in texts), default=0)
