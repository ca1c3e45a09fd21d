"""Views for balancers, by task name."""

import torch

from madrigal.balancing import StepView


def view(losses=None, step=0, seed=0, task_weights=None, after=None, validation=None, tasks=None):
    """A view of the tasks named in `losses` (or `tasks`), in double precision."""
    names = tuple(tasks if losses is None else losses)

    def held(values):
        return torch.tensor(values, dtype=torch.float64)

    return StepView(
        tasks=names,
        rows=torch.ones(len(names)),
        task_weights=held([(task_weights or {}).get(name, 1.0) for name in names]),
        losses=None if losses is None else held(list(losses.values())),
        step=step,
        seed=seed,
        losses_after=None if after is None else held([after[name] for name in names]),
        validation=validation,
    )


def weights(balancer, *args, **keys):
    """The balancer's weights by name."""
    seen = view(*args, **keys)
    return dict(zip(seen.tasks, balancer.weights(seen).tolist(), strict=True))
