"""Label ranking against lm-eval's in-memory Hugging Face model: same scores, how much faster.

python benchmarks/ranking.py [PROMPTS]        96 prompts unless told otherwise

A random Llama of about 15M parameters with a vocabulary of 32k ranks six labels of two to four
tokens after prompts with the lengths of Natural Instructions. Both sides get the same token ids and
the same network object in float32. lm-eval runs at the fastest of several batch sizes, found on a
part of the prompts; Madrigal runs at the recipe's default. Runs alternate; times are medians.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import torch
from lm_eval.models.huggingface import HFLM
from record import Line, save
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from madrigal.evaluation.rank import rank
from madrigal.model.host import keep_freed_memory
from madrigal.model.language_model import LanguageModel
from madrigal.recipe.task import EvaluateSettings

VOCABULARY = 32_000
CONTEXT = 1024
LABEL_TOKENS = (2, 3, 4, 2, 3, 4)
BATCH_SIZES = (1, 4, 16, 64)
REPEATS = 3
TARGET = 6.0


def network() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=8,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """lm-eval wants one, though both sides start from token ids."""
    words = WordLevel({"[end]": 0, "[unknown]": 1}, unk_token="[unknown]")
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), eos_token="[end]")


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def peer(net: LlamaForCausalLM, batch_size: int) -> HFLM:
    return HFLM(
        pretrained=net, tokenizer=tokenizer(), batch_size=batch_size, max_length=CONTEXT - 1
    )


def main() -> None:
    keep_freed_memory()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 96
    random = np.random.default_rng(0)
    lengths = json.loads(Path(__file__).with_name("natural_lengths.json").read_text())["prompt"]
    fitting = [length for length in lengths if length + max(LABEL_TOKENS) <= CONTEXT][:count]
    prompts = [random.integers(2, VOCABULARY, size=length) for length in fitting]
    labels = [random.integers(2, VOCABULARY, size=length) for length in LABEL_TOKENS]
    net = network()
    model = LanguageModel(net, None, torch.device("cpu"), CONTEXT)
    budget = EvaluateSettings().batch_tokens

    def requests(some: list[np.ndarray]) -> list[tuple[tuple[str, str], list[int], list[int]]]:
        return [(("", ""), p.tolist(), label.tolist()) for p in some for label in labels]

    def theirs(lm: HFLM, some: list[np.ndarray]) -> list[tuple[float, bool]]:
        return lm._loglikelihood_tokens(requests(some), disable_tqdm=True)

    def ours() -> list[np.ndarray]:
        with torch.inference_mode():
            return rank(model, prompts, [labels] * len(prompts), budget)

    few = prompts[: max(8, count // 6)]
    tuned = {size: seconds(partial(theirs, peer(net, size), few)) for size in BATCH_SIZES}
    best = min(tuned, key=tuned.__getitem__)
    lm = peer(net, best)

    mine = np.stack(ours())
    other = np.array([score for score, _ in theirs(lm, prompts)]).reshape(mine.shape)
    worst = float(np.abs(mine - other).max())
    assert worst < 1e-4, f"scores differ by {worst} nats"
    assert (mine.argmax(axis=1) == other.argmax(axis=1)).all(), "another label wins"

    times = [(seconds(ours), seconds(lambda: theirs(lm, prompts))) for _ in range(REPEATS)]
    mine_s, other_s = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = other_s / mine_s
    save(
        "ranking",
        [
            Line(
                "label ranking, six labels, against lm-eval",
                round(ratio, 2),
                "x",
                f">= {TARGET:g} x",
                ratio >= TARGET,
            ),
            Line("prompts ranked", round(len(prompts) / mine_s, 1), "per s"),
        ],
        seconds={"madrigal": [a for a, _ in times], "lm-eval": [b for _, b in times]},
        largest_difference_nats=worst,
        lm_eval_batch_size=best,
        lm_eval_tuning_seconds=tuned,
        parameters=sum(p.numel() for p in net.parameters()),
        prompts=len(prompts),
        mean_prompt_tokens=float(np.mean(fitting)),
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
