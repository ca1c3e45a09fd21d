"""Whether a text is about what it should be about, by its words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from madrigal.mixture.chance import permutation

_OTHERS = 200  # of which the same are taken for every text
_NEARER = 0.1  # share of others that may be nearer


def on_topic(
    texts: Sequence[str], subjects: Sequence[str], pool: Sequence[str], seed: int
) -> Bool[np.ndarray, " N"]:
    """Whether text n is nearer to subject n than to nine tenths of the pool, and near it at all.

    Nearness is the cosine of word counts, weighed by inverse document frequency over the pool. A
    text that shares no word with any of them cannot be told to be off its topic.
    """
    if not texts:
        return np.zeros(0, dtype=bool)
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(stop_words="english", sublinear_tf=True, token_pattern=r"(?u)\b\w\w+\b")
    try:
        weigh.fit([*pool, *subjects])
    except ValueError:  # nothing but stop words: there are no topics
        return np.ones(len(texts), dtype=bool)
    chosen = permutation(len(pool), "topic", seed)[:_OTHERS]
    said, own = weigh.transform(texts), weigh.transform(subjects)
    others = weigh.transform([pool[int(n)] for n in chosen])
    near = np.asarray(said.multiply(own).sum(axis=1)).ravel()
    far = (said @ others.T).toarray()
    for row, subject in enumerate(subjects):  # its own prompt is no other's
        far[row, [pool[int(n)] in subject for n in chosen]] = 0.0
    strayed = (near == 0) & (far.max(axis=1) > 0)
    return ((far > near[:, None] + 1e-12).mean(axis=1) <= _NEARER) & ~strayed
