"""What the words of two answers alone say about which is better, on prompts not learnt from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.measure import DRAWS, Measure, share
from madrigal.feedback.votes import Votes

FOLDS = 5
LEAST = 200  # comparisons
_MOST = 20_000
_FEATURES = 1 << 16
_SURE = 0.1  # share of the comparisons that the model is surest of


def learnt(
    first: Sequence[str], second: Sequence[str], value: Float[np.ndarray, " N"]
) -> Callable[[Sequence[str]], Float[np.ndarray, " K"]]:
    """What scores answers by their words, as some comparisons teach it.

    A logistic regression on the difference of the answers' hashed counts of words and pairs of
    words (log(1 + count), L2). Each comparison is learnt in both orders.
    """
    from scipy.sparse import vstack
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    # Its annotations know neither norm=None nor that it gives sparse matrices.
    vectorizer: Any = HashingVectorizer
    words = vectorizer(n_features=_FEATURES, ngram_range=(1, 2), norm=None, alternate_sign=False)

    def counted(texts: Sequence[str]) -> Any:
        return words.transform(texts).log1p()

    given = counted(first) - counted(second)
    model = LogisticRegression(C=0.1, solver="liblinear", fit_intercept=False)
    model.fit(vstack([given, -given]), np.concatenate([value, -value]) > 0)
    return lambda texts: model.decision_function(counted(texts))


def out_of_fold(
    first: Sequence[str],
    second: Sequence[str],
    value: Float[np.ndarray, " N"],
    cluster: Int[np.ndarray, " N"],
    seed: int = 0,
) -> Float[np.ndarray, " N"]:
    """Chance that the first of two answers is better, by a model that has not seen the prompt.

    The model is that of `learnt`, over folds of whole prompts. `value` is 1 where the first is
    better and -1 where the second is.
    """
    places = np.random.Generator(np.random.Philox(key=seed)).permutation(int(cluster.max()) + 1)
    fold = places[cluster] % FOLDS
    chance = np.full(len(value), 0.5)
    for held_out in range(FOLDS):
        test, train = fold == held_out, fold != held_out
        if not test.any() or not train.any():
            continue
        some = np.flatnonzero(train).tolist()
        score = learnt([first[k] for k in some], [second[k] for k in some], value[train])
        held = np.flatnonzero(test).tolist()
        lead = score([first[k] for k in held]) - score([second[k] for k in held])
        chance[test] = 1 / (1 + np.exp(-lead))
    return chance


def at_most(votes: Votes, resampling: Resampling = DRAWS) -> Measure | None:
    """Accuracy of words alone on the tenth of the verdicts that they are surest of.

    If labels are flipped at one rate e whatever the answers say, nothing agrees with more than
    1 - e of them, not even where it is surest. So e is at most 1 - accuracy; how much less, single
    labels do not tell. n counts that tenth. None with fewer than 200 comparisons; of more than
    20,000, so many evenly spread are looked at.
    """
    strict = votes.strict
    if len(strict.item) < LEAST:
        return None
    strict = strict.keep(np.arange(0, len(strict.item), 1 + (len(strict.item) - 1) // _MOST))
    answers = strict.answers[strict.item]
    first, second = ([strict.texts[k] for k in column] for column in answers.T)
    cluster = strict.cluster
    chance = out_of_fold(first, second, strict.value, cluster, resampling.seed)
    right = np.where(chance == 0.5, 0.5, ((chance > 0.5) == (strict.value > 0)).astype(np.float64))
    sure = np.abs(chance - 0.5)
    top = (sure >= np.quantile(sure, 1 - _SURE)).astype(np.float64)
    return share(right * top, top, cluster, resampling)
