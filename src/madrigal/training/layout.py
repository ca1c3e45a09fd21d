"""How the examples of one step are laid out in microbatches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from madrigal.model.branches import Branches
from madrigal.tasks.encoded import Encoded
from madrigal.training.placed import Line, Placed, lines_of

# What one more forward and backward pass costs beside its tokens, counted in tokens.
TOKENS_PER_PASS = 48


@dataclass(frozen=True, slots=True)
class Segment:
    """The adjacent rows of one task in a microbatch, and their span among its trained positions.

    `sizes` are the rows of each example, `first_row` is the number of its first row in the batch.
    """

    task: str
    rows: tuple[Encoded, ...]
    sizes: tuple[int, ...]
    first_position: int
    last_position: int  # exclusive
    first_row: int


@dataclass(frozen=True, slots=True)
class Share:
    """The adjacent lines of one half of a task's examples, their trained positions and rows."""

    task: str
    half: int
    lines: tuple[int, int]  # first, last (exclusive)
    positions: tuple[int, int]
    rows: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Microbatch:
    """Lines that go through one forward pass: mixed tasks, rows of a task adjacent, padded right.

    `state_index[n]` points into the B*T flattened states at the position before trained token n,
    `targets[n]` is that token, `row[n]` its row among the rows of its own segment. A line holds one
    row, or several behind one prompt; then `branches` say what each token sees. `ends` are the
    places of the rows' last tokens in the flattened states.
    """

    tokens: Int[Tensor, "B T"]
    state_index: Int[Tensor, " N"]
    targets: Int[Tensor, " N"]
    row: Int[Tensor, " N"]
    ends: Int[Tensor, " R"]
    segments: tuple[Segment, ...]
    shares: tuple[Share, ...]
    trained: tuple[int, ...]  # tokens of each line
    branches: Branches | None = None

    @property
    def padded_tokens(self) -> int:
        return self.tokens.numel()


def group(widths: Sequence[int], rows: Sequence[int], limit: int) -> list[list[int]]:
    """Split examples into groups of similar width at the least total cost.

    The cost of a group is its padded tokens, (rows in it) x (largest width), plus a constant for
    the pass; groups are runs of the examples in order of width, found by dynamic programming. Of
    divisions at equal cost it is the one whose largest group is the smallest: a step a little over
    the limit is halved, and does not leave a rest that uses a processor badly.
    A group holds at most `limit` padded tokens, or one example. Returns indices of the examples.
    """
    order = sorted(range(len(widths)), key=lambda i: (widths[i], i))
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost, and tokens of the largest group
    start_of: list[int] = [0]
    for stop in range(1, len(order) + 1):
        width = widths[order[stop - 1]]
        held, cheapest, chosen = 0, (float("inf"), 0), stop - 1
        for start in range(stop - 1, -1, -1):
            held += rows[order[start]]
            if held * width > limit and start < stop - 1:
                break
            cost, largest = best[start]
            found = (cost + held * width + TOKENS_PER_PASS, max(largest, held * width))
            if found < cheapest:
                cheapest, chosen = found, start
        best.append(cheapest)
        start_of.append(chosen)
    groups: list[list[int]] = []
    stop = len(order)
    while stop > 0:
        groups.append(order[start_of[stop] : stop])
        stop = start_of[stop]
    return groups[::-1]


def _tensors(examples: Sequence[Placed], pad: int, device: torch.device) -> Microbatch:
    width = max(example.width for example in examples)
    index, wanted, owner = [], [], []
    ends: list[int] = []
    segments: list[Segment] = []
    shares: list[Share] = []
    lines: list[Line] = []
    positions = 0
    for task, some in groupby(examples, key=lambda example: example.task):
        members: list[Encoded] = []
        sizes: list[int] = []
        begin, first = positions, len(ends)
        for half, few in groupby(some, key=lambda example: example.half):
            first_line, first_position, first_row = len(lines), positions, len(ends)
            for example in few:
                rows = iter(example.rows)
                sizes.append(len(example.rows))
                for line in lines_of(example):
                    for before, row in zip(line.before, rows, strict=False):
                        index.append(len(lines) * width + before)
                        wanted.append(row.tokens[row.trained])
                        owner.append(np.full(len(before), len(members)))
                        members.append(row)
                        positions += len(before)
                    ends += [len(lines) * width + end for end in line.ends]
                    lines.append(line)
            spans = (first_line, len(lines)), (first_position, positions), (first_row, len(ends))
            shares.append(Share(task, half, *spans))
        segments.append(Segment(task, tuple(members), tuple(sizes), begin, positions, first))

    def move(parts: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(np.int64)).to(device)

    def padded(rows: Sequence[Sequence[int] | np.ndarray], filler: int) -> Tensor:
        held = np.full((len(rows), width), filler, dtype=np.int64)
        for place, row in enumerate(rows):
            held[place, : len(row)] = row
        return torch.from_numpy(held).to(device)

    branches = None
    if any(example.prompt for example in examples):
        branches = Branches(
            padded([line.part for line in lines], 0), padded([line.position for line in lines], 0)
        )
    return Microbatch(
        tokens=padded([line.tokens for line in lines], pad),
        state_index=move(index),
        targets=move(wanted),
        row=move(owner),
        ends=torch.tensor(ends, device=device),
        segments=tuple(segments),
        shares=tuple(shares),
        trained=tuple(sum(map(len, line.before)) for line in lines),
        branches=branches,
    )


def lay_out(
    examples: Sequence[Placed], task_order: Mapping[str, int], limit: int, shares: int
) -> list[list[Placed]]:
    """The microbatches of a step as lists of examples, rows of a task adjacent.

    With `shares` processes a microbatch holds at most that part of the step, so that each process
    gets work.
    """
    widths = [example.width for example in examples]
    rows = [example.lines for example in examples]
    if shares > 1:
        total = sum(width * count for width, count in zip(widths, rows, strict=True))
        limit = min(limit, max(max(widths), total // shares))
    return [
        sorted((examples[i] for i in members), key=lambda e: (task_order[e.task], e.half))
        for members in group(widths, rows, limit)
    ]


def collate(examples: Sequence[Placed], pad: int, device: torch.device) -> Microbatch:
    """Tensors of one microbatch; examples of a task, and of its halves, must be adjacent."""
    return _tensors(examples, pad, device)


def share_out(groups: Sequence[Sequence[Placed]], processes: int) -> list[list[int]]:
    """Which microbatches each process takes: the largest first, each to the least loaded."""
    loads = [0] * processes
    taken: list[list[int]] = [[] for _ in range(processes)]
    cost = [max(e.width for e in g) * sum(e.lines for e in g) for g in groups]
    for index in sorted(range(len(groups)), key=lambda i: (-cost[i], i)):
        process = loads.index(min(loads))
        loads[process] += cost[index]
        taken[process].append(index)
    return [sorted(indices) for indices in taken]
