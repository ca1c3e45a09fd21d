"""Elastic weight consolidation: a quadratic pull to where earlier stages ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from madrigal.errors import RunFolderError

Tensors = Mapping[str, Tensor]  # by parameter name

_PIECE = 1 << 16  # numbers: five such pieces are a megabyte


@dataclass(frozen=True, slots=True)
class Quadratic:
    """(1/2) sum_n F_n (theta_n - center_n)^2 + rest: a sum of such pulls is one of them again."""

    fisher: Tensors
    center: Tensors
    rest: float = 0.0

    def plus(self, other: "Quadratic") -> "Quadratic":
        """The sum of two, exactly: F = F1 + F2 around (F1 c1 + F2 c2) / F.

        Where both are zero the center is the other's.
        """
        fisher, center, rest = {}, {}, self.rest + other.rest
        for name, one in self.fisher.items():
            two = other.fisher[name]
            total = one + two
            share = torch.where(total > 0, two / total, torch.ones_like(total))
            away = other.center[name] - self.center[name]
            fisher[name] = total
            center[name] = self.center[name] + share * away
            # F1 F2 / F is F1 times the other's share.
            rest += 0.5 * float((one * share * away.square()).double().sum())
        return Quadratic(fisher, center, rest)

    def to(self, device: torch.device) -> "Quadratic":
        """The same on a device."""
        fisher = {name: held.to(device) for name, held in self.fisher.items()}
        center = {name: held.to(device) for name, held in self.center.items()}
        return Quadratic(fisher, center, self.rest)

    def moved(self, decay: float, newer: "Quadratic") -> "Quadratic":
        """Online: the older Fisher information times `decay` joins the newer, around its center."""
        fisher = {name: decay * self.fisher[name] + held for name, held in newer.fisher.items()}
        return Quadratic(fisher, newer.center)


def summed(parts: Sequence[Quadratic]) -> Quadratic:
    """All of them as one."""
    return reduce(Quadratic.plus, parts)


class Ewc:
    """Adds strength / 2 sum_i sum_n F_in (theta_n - theta_in)^2 over earlier stages i.

    EWC of Kirkpatrick et al., 2017 (PNAS 114): theta_i are the parameters after stage i and F_i
    the diagonal of the Fisher information there, the mean of squared gradients of *single
    examples*, divided by the mean number of units an example has. So at strength 1 the term stands
    for the mean loss of each earlier stage in nats per unit, to second order, whatever the size of
    a step or of its microbatches.

    The pulls of several stages are kept as one (`Quadratic.plus`), which is the same function and
    costs as much as one. With `form: online` (Schwarz et al., 2018) there is one anchor, the last.

    Differs from the paper: strength is in the units above, where the paper's lambda multiplies the
    sum over a whole data set; parameters that no row of the step reached are left alone.

    Raises:
        RunFolderError: what is kept does not fit the model's parameters.
    """

    name = "ewc"

    def __init__(
        self, parameters: Iterable[tuple[str, nn.Parameter]], held: Quadratic, strength: float
    ) -> None:
        named = dict(parameters)
        _check_fit(named, held)
        self._strength, self._rest = strength, held.rest
        self._held = [
            (p, held.fisher[name].to(p.device), held.center[name].to(p.device))
            for name, p in named.items()
        ]

    @torch.no_grad()
    def add_gradient(self, weights: Mapping[str, float]) -> float | None:
        """Add the term's gradient; every process adds the same. Returns the term's value."""
        del weights  # of no task
        values = []
        for parameter, fisher, center in self._held:
            if parameter.grad is None:
                continue
            for now, there, mass, gradient in _pieces(parameter, center, fisher, parameter.grad):
                away = now - there
                pulled = mass * away
                gradient.add_(pulled, alpha=self._strength)
                values.append(torch.dot(pulled.flatten(), away.flatten()))
        if not values:
            return None
        return self._strength * (float(torch.stack(values).double().sum()) / 2 + self._rest)


def _pieces(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors of one shape cut alike, on the CPU into pieces that stay in its cache while several
    operations go over them; of a large model each would go through memory otherwise."""
    first = tensors[0]
    if first.device.type != "cpu" or first.numel() <= _PIECE:
        return iter((tensors,))
    if not all(tensor.is_contiguous() for tensor in tensors):
        return iter((tensors,))
    return zip(*(tensor.detach().view(-1).split(_PIECE) for tensor in tensors), strict=True)


def _check_fit(named: Mapping[str, nn.Parameter], held: Quadratic) -> None:
    for name, parameter in named.items():
        found = held.fisher.get(name)
        if found is None or found.shape != parameter.shape or name not in held.center:
            shape = "nothing" if found is None else "x".join(map(str, found.shape))
            wanted = "x".join(map(str, parameter.shape))
            raise RunFolderError(
                f"ewc: earlier stages kept {shape} for {name}, which is {wanted} now; the adapter "
                "must stay the same over all stages"
            )
