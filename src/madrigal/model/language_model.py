"""A causal language model as the rest of the house sees it."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from madrigal.model.branches import Branches, branched
from madrigal.model.divergence import Reference, divergence_in_chunks
from madrigal.model.head import Around, Head, logps_in_chunks, nothing_around
from madrigal.model.lora import joined
from madrigal.model.nucleus import nucleus, with_targets
from madrigal.model.packed import packed
from madrigal.model.private import PrivateParts
from madrigal.model.score import critics, heads, reward_heads
from madrigal.model.shards import Shards
from madrigal.model.update import Update

# Logits of one head call, in elements: 64 MB of float32.
LOGITS_PER_CHUNK = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A causal language model, its tokenizer, and the two halves of its forward pass.

    `network` is a transformers causal model or a peft model around one. Rows of tokens are padded
    on the right, so causality alone keeps padding out and no attention mask is needed.
    """

    network: nn.Module
    tokenizer: Any
    device: torch.device
    context: int  # longest sequence in tokens
    name: str = ""
    precision: torch.dtype = torch.float32  # of matrix products in training
    private: PrivateParts | None = None
    shards: Shards | None = None  # where each process holds a part of the base only
    # By layer: adapters of earlier stages that were laid into the base, see `fold`.
    folded: dict[str, list[Update]] = field(default_factory=dict)
    frozen: set[int] = field(default_factory=set)  # ids of parameters that take no gradient now

    @property
    def causal(self) -> nn.Module:
        """The transformers model; adapters are injected into its layers."""
        base = getattr(self.network, "get_base_model", None)
        return base() if base is not None else self.network

    @property
    def head(self) -> Head:
        causal: Any = self.causal
        return Head(causal, causal.get_decoder())

    def autocast(self) -> AbstractContextManager[Any]:
        """Matrix products in `precision`; a no-op for float32."""
        return torch.autocast(
            self.device.type, self.precision, enabled=self.precision != torch.float32
        )

    def routed(self, rows: str | Sequence[str]) -> AbstractContextManager[None]:
        """Inside, row b of every batch belongs to task `rows[b]`, or all rows to the one named.

        Each row then meets the shared parameters and its own task's private ones. A model without
        private parts is the same for all tasks and needs no routing.
        """
        if self.private is None:
            return nullcontext()
        routing = self.private.routing
        return routing.following(routing.plan(rows, self.device))

    @contextmanager
    def lean(self) -> Iterator[None]:
        """For many small passes without gradients or dropout; see `joined` and `packed`."""
        if self.shards is not None:
            yield
            return
        causal: Any = self.causal
        with joined(self.network), packed(causal.get_output_embeddings()):
            yield

    def states(
        self, tokens: Int[Tensor, "B T"], branches: Branches | None = None
    ) -> Float[Tensor, "B T D"]:
        """The decoder's last states, before the head."""
        causal: Any = self.causal
        more = {} if branches is None else branched(causal, branches)
        return causal.get_decoder()(input_ids=tokens, use_cache=False, **more).last_hidden_state

    def logits(self, states: Float[Tensor, "N D"]) -> Float[Tensor, "N V"]:
        """The head at the given states."""
        return self.head(states)

    def logps(
        self,
        states: Float[Tensor, "N D"],
        targets: Int[Tensor, " N"],
        with_mean: bool = False,
        around: Around = nothing_around,
        counts: Sequence[int] | None = None,
        temperature: Float[Tensor, " N"] | None = None,
        kept: Bool[Tensor, "N V"] | None = None,
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"] | None]:
        """Log-probability in nats of each target given its state; see `logps_in_chunks`.

        `counts` are the positions of each row that is routed, one row after another; where all
        rows belong to one task they can be left out.
        """
        causal: Any = self.causal
        chunk = max(1, LOGITS_PER_CHUNK // causal.config.vocab_size)
        around = self._routed_head(counts, around)
        return logps_in_chunks(
            self.head, states, targets, with_mean, chunk, around, temperature, kept
        )

    @property
    def vocabulary(self) -> int:
        """Tokens that the head scores."""
        causal: Any = self.causal
        return int(causal.config.vocab_size)

    def nuclei(
        self,
        states: Float[Tensor, "N D"],
        targets: Int[Tensor, " N"],
        counts: Sequence[int] | None,
        temperature: float,
        top_p: float,
    ) -> Bool[Tensor, "N V"]:
        """The likeliest tokens after each state, with the one that was drawn; see `nucleus`."""
        causal: Any = self.causal
        chunk = max(1, LOGITS_PER_CHUNK // causal.config.vocab_size)
        around, found = self._routed_head(counts, nothing_around), []
        for first in range(0, max(1, len(states)), chunk):
            part = states[first : first + chunk]
            with around(first, first + len(part)):
                logits = self.head(part).float() / temperature
            found.append(with_targets(nucleus(logits, top_p), targets[first : first + chunk]))
        return torch.cat(found)

    def reward_head(self, task: str) -> nn.Linear | None:
        """What scores the answers of a task, where it trains a reward model."""
        return dict(reward_heads(self.causal)).get(task)

    def scores(self, task: str, states: Float[Tensor, "R D"]) -> Float[Tensor, "R H"]:
        """The task's reward head at the ends of answers, in float32 whatever the rest is in."""
        head = self.reward_head(task)
        if head is None:
            raise ValueError(f"task {task!r} has no reward head")
        with torch.autocast(self.device.type, enabled=False):
            return head(states.float())

    def critic(self, task: str) -> nn.Linear | None:
        """What expects the reward of a task's answers, where it trains one."""
        return dict(critics(self.causal)).get(task)

    def values(self, task: str, states: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """What the task's critic expects at each state, in float32 whatever the rest is in."""
        critic = self.critic(task)
        if critic is None:
            raise ValueError(f"task {task!r} has no critic")
        with torch.autocast(self.device.type, enabled=False):
            return critic(states.float())[:, 0]

    def divergence(
        self,
        states: Float[Tensor, "N D"],
        reference: Reference,
        around: Around = nothing_around,
        counts: Sequence[int] | None = None,
        reverse: bool = False,
    ) -> Float[Tensor, " N"]:
        """KL(reference, model) in nats at each state, or the reverse; see `divergence_in_chunks`
        and `logps`."""
        causal: Any = self.causal
        chunk = max(1, LOGITS_PER_CHUNK // causal.config.vocab_size)
        around = self._routed_head(counts, around)
        return divergence_in_chunks(self.head, states, reference, chunk, around, reverse)

    def _routed_head(self, counts: Sequence[int] | None, around: Around) -> Around:
        """`around` with each position on its row's route, kept for chunks that are computed again;
        as it is where the head has no private parts."""
        if self.private is None or not self.private.at_head:
            return around
        routing = self.private.routing
        route = routing.route
        if route.slot is not None:
            assert counts is not None, "positions of several tasks' rows need their counts"
            route = route.spread(counts)

        @contextmanager
        def both(first: int, last: int) -> Iterator[None]:
            with around(first, last), routing.following(route.cut(first, last)):
                yield

        return both

    def trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Trainable parameters by name, each once even where it is tied; frozen ones, too."""
        named = self.network.named_parameters()
        return ((n, p) for n, p in named if p.requires_grad or id(p) in self.frozen)

    def learning(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Trainable parameters without those that are frozen now."""
        return ((n, p) for n, p in self.trainable() if id(p) not in self.frozen)

    def owners(self) -> dict[int, tuple[str, ...]]:
        """The tasks that reach each parameter that not all reach, by the parameter's `id`."""
        private = self.private.owners() if self.private is not None else {}
        return {**private, **{id(p): (t,) for t, h in heads(self.causal) for p in h.parameters()}}

    def shared(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters that learn and that the rows of every task reach."""
        owners = self.owners()
        return ((n, p) for n, p in self.learning() if id(p) not in owners)

    def contested(self, tasks: Collection[str]) -> Iterator[tuple[str, nn.Parameter]]:
        """Trainable parameters about which these tasks can differ: the shared ones, and as soon as
        one private part belongs to several of them, their private parts too. A reward head or a
        critic is one task's alone."""
        if self.private is None or not self.private.meet(tasks):
            return self.shared()
        own = {id(p) for _, head in heads(self.causal) for p in head.parameters()}
        return ((n, p) for n, p in self.reached(tasks) if id(p) not in own)

    def reached(self, tasks: Collection[str]) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters that learn and that rows of these tasks reach: shared ones and their own."""
        owners = self.owners()
        wanted = set(tasks)
        return (
            (n, p)
            for n, p in self.learning()
            if id(p) not in owners or not wanted.isdisjoint(owners[id(p)])
        )

    def parameter_counts(self) -> tuple[int, int]:
        """All parameters, trainable parameters."""
        every = sum(p.numel() for p in self.network.parameters())
        return every, sum(p.numel() for _, p in self.trainable())
