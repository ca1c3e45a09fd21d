"""A tokenizer that turns pieces of one text into the tokens they have in its middle."""

from collections.abc import Sequence
from typing import Any

from madrigal.errors import ModelError

# What tokenizers put before a text that starts without a space.
_SPACE_MARKS = ("▁", "Ġ")

# Texts after which a tokenizer adds no space of its own and with which nothing merges.
_ANCHORS = ("\n", "\x01", "|")

# End tokens by custom, for tokenizers that name none.
_KNOWN_ENDS = ("<|endoftext|>", "</s>", "<|im_end|>", "<|eot_id|>", "<eos>", "<|end_of_text|>")


class Pieces:
    """Tokens of text pieces, so that the pieces' tokens one after another are a text's tokens.

    Tokenizers in the manner of SentencePiece put a space before whatever they get. A piece from
    the middle of a text is therefore tokenised behind an anchor, whose tokens are then cut off.
    Special tokens written out in the data (`</s>`) stay ordinary characters, except where
    `special` asks for them (chat templates).

    `start` are the tokens that the tokenizer puts before every text, `end` is its end token.
    """

    def __init__(self, tokenizer: Any) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ModelError(
                "the tokenizer has no tokenizer.json (a slow tokenizer); save it once with "
                "AutoTokenizer.from_pretrained(..., use_fast=True).save_pretrained(folder)"
            )
        self._backend = backend
        self._anchor = self._find_anchor()
        self.lead = "" if self._anchor is None else " "  # what it puts before a text by itself
        self.start: tuple[int, ...] = self._find_start()
        self.end: int = _find_end(tokenizer)

    def starts(self, texts: Sequence[str], special: bool = False) -> list[list[int]]:
        """Tokens of texts that begin a sequence, without `start`."""
        return self._encode(texts, special)

    def continuations(self, texts: Sequence[str], special: bool = False) -> list[list[int]]:
        """Tokens of texts that continue one."""
        if self._anchor is None:
            return self._encode(texts, special)
        anchor, skip = self._anchor
        return [ids[skip:] for ids in self._encode([anchor + text for text in texts], special)]

    def _encode(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        backend = self._backend
        before = backend.encode_special_tokens
        backend.encode_special_tokens = not special
        try:
            if len(texts) == 1:  # no batch to share: this way skips the thread pool
                return [backend.encode(texts[0], add_special_tokens=False).ids]
            batch = backend.encode_batch_fast(list(texts), add_special_tokens=False)
        finally:
            backend.encode_special_tokens = before
        return [encoding.ids for encoding in batch]

    def _find_anchor(self) -> tuple[str, int] | None:
        """The anchor and its number of tokens; None for a tokenizer that adds no space."""
        probe = self._backend.encode("x", add_special_tokens=False)
        if not probe.tokens or not probe.tokens[0].startswith(_SPACE_MARKS):
            return None
        for anchor in _ANCHORS:
            alone = self._encode([anchor], False)[0]
            probes = ("x", " x", "\n", "7", ".", "é")
            behind = self._encode([anchor + probe for probe in probes], False)
            if all(ids[: len(alone)] == alone for ids in behind):
                return anchor, len(alone)
        raise ModelError(
            "this tokenizer adds a space before every text and merges across line ends, so "
            "answers cannot be told from prompts; choose another model"
        )

    def _find_start(self) -> tuple[int, ...]:
        bare = self._backend.encode("x", add_special_tokens=False).ids
        full = self._backend.encode("x", add_special_tokens=True).ids
        for at in range(len(full)):
            if full[at : at + len(bare)] == bare:
                return tuple(full[:at])
        return ()


def _find_end(tokenizer: Any) -> int:
    if tokenizer.eos_token_id is not None:
        return int(tokenizer.eos_token_id)
    vocabulary = tokenizer.get_vocab()
    known = next((vocabulary[token] for token in _KNOWN_ENDS if token in vocabulary), None)
    if known is None:
        raise ModelError(
            "the tokenizer names no end token, so no answer could end; set `eos_token` in "
            "tokenizer_config.json"
        )
    return int(known)
