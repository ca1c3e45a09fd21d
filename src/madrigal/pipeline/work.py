"""One part of what a run has to do."""

from dataclasses import dataclass

from madrigal.model.inspect import Size

# What is reached of the speed of one large matrix product, on small models on a CPU.
EFFICIENCY = 0.35


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a run's work: tokens that are trained on, or only scored."""

    name: str
    tokens: int
    trained: bool

    def seconds(self, size: Size, speed: float) -> float:
        """Time at `speed` operations per second of a large matrix product."""
        each = size.flops_per_token() if self.trained else size.flops_per_scored_token()
        return each * self.tokens / (EFFICIENCY * speed)
