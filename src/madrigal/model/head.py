"""The output head alone, for any causal language model of transformers."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_outputs import BaseModelOutputWithPast


class _States(BaseModelOutputWithPast):
    """States, and nothing of what else some decoder returns (cross attentions, router logits)."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _Given(nn.Module):
    """Stands where the decoder stood and returns the states that it is given."""

    def forward(
        self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None, **_: object
    ) -> _States:
        assert input_ids is None
        assert inputs_embeds is not None
        return _States(last_hidden_state=inputs_embeds)  # type: ignore[arg-type]


def _without_decoder(module: nn.Module, decoder: nn.Module) -> nn.Module:
    """A copy of the modules on the way to `decoder`, which is replaced; the rest is shared."""
    if module is decoder:
        return _Given()
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    for name, child in module._modules.items():
        if child is not None and any(part is decoder for part in child.modules()):
            twin._modules[name] = _without_decoder(child, decoder)
    return twin


# What to be inside of while the head runs on some of the states: the first, the last (exclusive).
Around = Callable[[int, int], AbstractContextManager[object]]


def nothing_around(_first: int, _last: int) -> AbstractContextManager[object]:
    """The default of `around`."""
    return nullcontext()


class Head:
    """States to logits, with whatever scaling or soft cap the architecture applies.

    The causal model's own `forward` runs with its decoder replaced by one that hands the states
    through, so no architecture needs a case here. Parameters are shared, not copied.
    """

    def __init__(self, causal: nn.Module, decoder: nn.Module) -> None:
        self._causal = _without_decoder(causal, decoder)

    def __call__(self, states: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        return self._causal(inputs_embeds=states[None], use_cache=False).logits[0]


def logps_in_chunks(
    head: Head,
    states: Float[Tensor, "N D"],
    targets: Tensor,
    with_mean: bool,
    chunk: int,
    around: Around = nothing_around,
    temperature: Float[Tensor, " N"] | None = None,
    kept: Bool[Tensor, "N V"] | None = None,
) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"] | None]:
    """Log-probability of each target, and on request the mean log-probability over the vocabulary.

    The head runs on `chunk` positions at a time: a block of logits that fits the cache is faster
    than one that does not, and where gradients are needed each chunk but a single one is computed
    again in the backward pass, so memory holds one block of logits. Each run of the head on states
    `first` to `last` happens inside `around(first, last)`. Logits are divided by `temperature`, and
    only tokens that are `kept` are possible.
    """

    def block(part: Tensor, wanted: Tensor, first: int) -> tuple[Tensor, Tensor]:
        with around(first, first + part.shape[0]):
            logits = head(part).float()
        if temperature is not None:
            logits = logits / temperature[first : first + part.shape[0], None]
        if kept is not None:
            logits = logits.masked_fill(~kept[first : first + part.shape[0]], float("-inf"))
        picked = -nn.functional.cross_entropy(logits, wanted, reduction="none")
        if not with_mean:
            return picked, picked
        return picked, logits.mean(-1) - torch.logsumexp(logits, -1)

    pieces = []
    several = states.shape[0] > chunk and torch.is_grad_enabled()
    starts = range(0, max(1, states.shape[0]), chunk)
    for first, part, wanted in zip(starts, states.split(chunk), targets.split(chunk), strict=True):
        if several:
            pieces.append(checkpoint(block, part, wanted, first, use_reentrant=False))
        else:
            pieces.append(block(part, wanted, first))
    logps = torch.cat([piece[0] for piece in pieces])
    return logps, torch.cat([piece[1] for piece in pieces]) if with_mean else None
