"""Text from the likeliest tokens alone, and log-probabilities that match it.

Nucleus sampling (Holtzman et al., 2020) at temperature T and mass p draws token v at state s from

    q(v | s) = pi(v | s) / sum over u in K of pi(u | s)    for v in K,    else 0

with pi = softmax(logits / T) and K = K(s) the smallest set of the likeliest tokens whose pi sums to
p at least. So q is the policy that acts, and what a policy gradient trains: the log-probabilities
of answers, old and new, are log q under one K, that of the weights which wrote the answer.

- K is stored with the answer and not found again: a set that followed the weights would make a
  ratio jump, or divide by nothing, where a token enters or leaves it. With K held fixed, q of the
  weights as they are is the q that was drawn from, so the first ratio is 1; E[A grad log q] is the
  gradient of the expected reward of q, and the clipped ratio q / q_old is an importance weight with
  the support that it needs. Only logits within K are moved.
- The reference is not cut: d = log q - log pi_ref, with pi_ref over all tokens, at T. E_q[d] is
  KL(q, pi_ref), at least -log pi_ref(K) where nothing has been learnt (0.1 nats a token for p =
  0.9), and it grows as q leaves what the reference finds likely. Were pi_ref cut to K too, a policy
  sure of one token would have K = {v} and d = 0 there, however unlikely v was: no penalty at all.

Differs from the paper: the token that is trained counts as kept wherever rounding, between the pass
that drew it and the one that scores it, would put it just outside.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor


def nucleus(logits: Float[Tensor, "N V"], top_p: float) -> Bool[Tensor, "N V"]:
    """The likeliest tokens whose probabilities sum to `top_p`; the one that reaches it is among
    them."""
    ordered, places = logits.double().sort(dim=-1, descending=True, stable=True)
    shares = ordered.softmax(dim=-1)
    within = shares.cumsum(dim=-1) - shares < top_p
    return torch.zeros_like(within).scatter(-1, places, within)


def with_targets(kept: Bool[Tensor, "N V"], targets: Int[Tensor, " N"]) -> Bool[Tensor, "N V"]:
    """The sets with the tokens that were drawn."""
    return kept.scatter(-1, targets[:, None], True)


def packed(kept: Bool[Tensor, "N V"]) -> UInt8[np.ndarray, "N W"]:
    """Eight tokens a byte."""
    return np.packbits(kept.cpu().numpy(), axis=-1)


def unpacked(held: UInt8[np.ndarray, "N W"], vocabulary: int) -> Bool[np.ndarray, "N V"]:
    """What `packed` made."""
    return np.unpackbits(held, axis=-1, count=vocabulary).astype(bool)
