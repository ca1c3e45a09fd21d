"""An adapter worked into the weights of its base."""

import warnings
from typing import Any

from torch import nn


def merged(network: Any) -> Any:
    """The transformers model with the adapter's updates added to its weights; `network` is used up.

    Where the output head is the embedding again and the adapter changes the head, the two part:
    the head gets a table of its own.
    """
    causal = network.get_base_model()
    head = causal.get_output_embeddings()
    base = getattr(head, "base_layer", None)
    if base is not None and base.weight is causal.get_input_embeddings().weight:
        base.weight = nn.Parameter(base.weight.detach().clone(), requires_grad=False)
        causal.config.tie_word_embeddings = False
        causal.all_tied_weights_keys = {}
    with warnings.catch_warnings():
        # peft tells that merging changes the module; that is what was asked for.
        warnings.filterwarnings("ignore", category=UserWarning, module="peft")
        return network.merge_and_unload()
