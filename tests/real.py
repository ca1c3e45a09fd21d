"""Real data and models outside the repository, and small tokenizers made here."""

import os
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MADRIGAL_DATA", ROOT.parent / "shared" / "data"))
MODELS = Path(os.environ.get("MADRIGAL_MODELS", DATA.parent / "models"))

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"NO REAL DATA at {DATA}; set MADRIGAL_DATA to test with it"
)
needs_models = pytest.mark.skipif(
    not MODELS.is_dir(), reason=f"NO REAL MODELS at {MODELS}; set MADRIGAL_MODELS to test with them"
)

CHAT_TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|stop|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)

_TEXT = (
    "the cat sat on the mat, and the dog sat on the log. Question: what did the cat do? "
    "Answer: it sat. Review: a warm and funny film. Sentiment: positive, negative. "
) * 4


@cache
def real_tokenizer(name: str):
    """A tokenizer of a published model."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODELS / name)


def byte_level(template: str | None = None, end: str | None = "<|end|>", vocabulary: int = 400):
    """A small byte-level BPE, the way GPT-2's is made; maybe with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    specials = [token for token in (end, "<|start|>", "<|stop|>") if token]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([_TEXT], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=end)
    tokenizer.chat_template = template
    return tokenizer


def sentencepiece_like(start: bool = True):
    """A small tokenizer in the manner of Llama 2: a space before every text, byte fallback."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=specials, show_progress=False)
    made.train_from_iterator(_TEXT.split("."), trainer)
    if start:
        made.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
