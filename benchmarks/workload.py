"""What the speed benchmarks train: a random Llama and random tokens of real lengths."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from madrigal.tasks.encoded import Encoded

LENGTHS = Path(__file__).with_name("natural_lengths.json")


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama with tied embeddings."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    mlp: int

    @property
    def body(self) -> int:
        """Parameters in the matrices of the blocks."""
        return self.layers * (4 * self.width**2 + 3 * self.width * self.mlp)

    @property
    def parameters(self) -> int:
        return self.body + self.vocabulary * self.width + (2 * self.layers + 1) * self.width


def write_model(shape: Shape, folder: Path) -> None:
    """A model folder with random weights and a tokenizer of one word a token."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.mlp,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    words = {"<|end|>": 0} | {f"w{number}": number for number in range(1, shape.vocabulary)}
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<|end|>")),
        eos_token="<|end|>",
        pad_token="<|end|>",
    ).save_pretrained(folder)


def examples(count: int, vocabulary: int) -> list[Encoded]:
    """Random tokens in the lengths of real Natural Instructions examples; answers are trained."""
    lengths = json.loads(LENGTHS.read_text(encoding="utf-8"))
    chance = np.random.default_rng(0)
    rows = []
    for prompt, answer in zip(lengths["prompt"][:count], lengths["answer"][:count], strict=True):
        tokens = chance.integers(1, vocabulary, prompt + answer)
        rows.append(Encoded(tokens, np.arange(prompt + answer) >= prompt))
    assert len(rows) == count
    return rows
