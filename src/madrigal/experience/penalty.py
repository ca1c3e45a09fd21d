"""The price of leaving the reference."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Penalty:
    """The price of a nat of KL, steered towards a target.

    Ziegler et al. (2019, section 2.2): after n answers with a mean divergence of KL nats,

        e = clip(KL / target - 1, -0.2, 0.2),    beta <- beta (1 + e n / horizon)

    Differs from the paper: beta stays between `least` and `most`. Without a target it stays as it
    is.
    """

    beta: float = 0.05
    target: float | None = None  # nats of a whole answer
    horizon: float = 10_000.0  # answers
    least: float = 1e-4
    most: float = 10.0

    def __post_init__(self) -> None:
        if self.target is not None and not self.target > 0:
            raise ValueError(
                f"the target of the divergence is {self.target:g}; give nats above 0, or leave it "
                "out to keep beta as it is"
            )

    def raised(self) -> "Penalty":
        """Half as much again."""
        return replace(self, beta=min(self.most, 1.5 * self.beta))

    def updated(self, divergence: float, answers: int) -> "Penalty":
        """The price after answers with this mean divergence, in nats of a whole answer."""
        if self.target is None:
            return self
        error = min(0.2, max(-0.2, divergence / self.target - 1))
        beta = self.beta * (1 + error * answers / self.horizon)
        return replace(self, beta=min(self.most, max(self.least, beta)))
