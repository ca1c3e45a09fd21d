"""What the model of a recipe makes of texts, before it is trained."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from madrigal.recipe.model import FullAdapter
from madrigal.recipe.schema import Recipe

_TOKENS = 128  # of a longer text the beginning
_BATCH = 4096  # tokens


def text_states(
    recipe: Recipe, root: Path
) -> Callable[[Sequence[str]], Float[np.ndarray, "N D"]] | None:
    """The mean of the last states of each text; None where the recipe begins with a fresh model.

    Raises:
        ModelError: when it is called, as `load_model` does.
    """
    if recipe.model.base == "new":
        return None

    def states(texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        from madrigal.evaluation.features import prompt_features
        from madrigal.model.load import load_model
        from madrigal.tasks.encoded import Encoded

        settings = recipe.model.model_copy(update={"adapter": FullAdapter()})
        model = load_model(settings, root, recipe.seed)
        most = min(_TOKENS, model.context)
        rows = [
            np.array((model.tokenizer(text)["input_ids"] or [0])[:most], np.int64) for text in texts
        ]
        encoded = [Encoded(row, np.zeros(len(row), dtype=bool)) for row in rows]
        return prompt_features(model, encoded, _BATCH)

    return states
