"""The router on planted Gaussians against scikit-learn; in pieces as at once; on the disk."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.covariance import oas
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from madrigal.errors import RunFolderError
from madrigal.retention.router import Router, read_router, write_router

WIDTH = 12
TASKS = ("a", "b", "c")
MIX = np.random.default_rng(5).normal(size=(WIDTH, WIDTH))


def features(task, count, seed=0):
    """Gaussian clouds of one shape, which is far from round, around means of their own."""
    place = TASKS.index(task)
    mean = np.random.default_rng(place).normal(size=WIDTH)
    noise = np.random.default_rng([seed, place]).normal(size=(count, WIDTH))
    return (100 + mean + noise @ MIX).astype(np.float32)


def built(counts):
    router = Router.empty()
    for task, count in zip(TASKS, counts, strict=True):
        router = router.plus(task, features(task, count))
    return router


@pytest.mark.parametrize("counts", [(40, 40, 40), (15, 60, 200), (4, 3, 3)])
def test_the_rule_is_that_of_linear_discriminant_analysis(counts):
    router = built(counts)
    x = np.concatenate([features(t, n) for t, n in zip(TASKS, counts, strict=True)])
    x = x.astype(np.float64)
    y = np.repeat(TASKS, counts)
    own = np.concatenate([x[y == t] - x[y == t].mean(0) for t in TASKS])
    _, shrinkage = oas(own, assume_centered=True)
    assert router.shrinkage == pytest.approx(shrinkage, rel=1e-9)
    other = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=router.shrinkage).fit(x, y)
    fresh = np.concatenate([features(t, 50, seed=1) for t in TASKS])
    # Its prior is how frequent a class is; tasks count alike here.
    wanted = other.decision_function(fresh) - np.log(other.priors_)
    found = router.rule().values(fresh)
    assert np.allclose(found - found[:, :1], wanted - wanted[:, :1], rtol=1e-6, atol=1e-6)
    assert router.rule().choose(fresh) == [TASKS[int(k)] for k in wanted.argmax(1)]


def test_the_covariance_tells_apart_what_the_nearest_mean_confuses():
    router = built((200, 200, 200))
    fresh = [(t, features(t, 100, seed=1)) for t in TASKS]
    rule = router.rule()
    right = np.mean([chosen == t for t, x in fresh for chosen in rule.choose(x)])
    means = np.stack([*router.means.values()])
    nearest = [np.square(x[:, None] - means).sum(-1).argmin(1) == TASKS.index(t) for t, x in fresh]
    assert right > np.mean(nearest) + 0.1


def test_in_pieces_and_in_any_order_is_as_at_once():
    whole = built((30, 20, 25))
    pieces = Router.empty()
    for task, first, last in (("c", 0, 25), ("a", 0, 4), ("b", 0, 20), ("a", 4, 5), ("a", 5, 30)):
        count = (30, 20, 25)[TASKS.index(task)]
        pieces = pieces.plus(task, features(task, count)[first:last])
    assert dict(pieces.counts) == dict(whole.counts)
    assert np.allclose(pieces.scatter, whole.scatter, rtol=1e-9, atol=1e-6)
    for task in TASKS:
        assert np.allclose(pieces.means[task], whole.means[task], rtol=1e-12)


def test_prompts_that_are_all_alike_go_to_the_nearest():
    router = Router.empty().plus("a", np.zeros((3, 2))).plus("b", np.ones((2, 2)))
    assert router.rule().choose(np.array([[0.4, 0.4], [0.6, 0.6]])) == ["a", "b"]


def test_a_file_keeps_every_bit_and_the_order(tmp_path):
    router = built((9, 8, 7)).plus("0-first-by-name", features("a", 5, seed=3))
    write_router(tmp_path / "router.safetensors", router)
    found = read_router(tmp_path / "router.safetensors")
    assert list(found.counts.items()) == list(router.counts.items())
    assert list(found.means) == list(router.means)
    assert (found.scatter == router.scatter).all()
    assert all((found.means[t] == router.means[t]).all() for t in router.means)


def test_one_that_knows_nothing_is_kept_too(tmp_path):
    write_router(tmp_path / "router.safetensors", Router.empty())
    found = read_router(tmp_path / "router.safetensors").plus("a", features("a", 5))
    assert (found.scatter == Router.empty().plus("a", features("a", 5)).scatter).all()


@pytest.mark.parametrize("damage", ["gone", "cut", "foreign", "infinite"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "router.safetensors"
    router = built((9, 8, 7))
    if damage == "infinite":
        router.scatter[0, 0] = np.inf
    if damage != "gone":
        write_router(path, router)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    if damage == "foreign":
        save_file({"counts": np.zeros(3)}, path)
    with pytest.raises(RunFolderError, match="kept for the router is gone or damaged; start anew"):
        read_router(path)
