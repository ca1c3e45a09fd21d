"""What earlier stages left: read again as it was, or one line that says what is wrong with it."""

import pytest
import torch
from safetensors.torch import save_file

import tiny
from madrigal.errors import RunFolderError
from madrigal.pipeline.past import (
    buffer_file,
    copied,
    ewc_file,
    put,
    read_quadratic,
    read_tensors,
    read_weights,
    write_quadratic,
)
from madrigal.recipe.retain import Ewc, Replay
from madrigal.retention import Ewc as Pull
from madrigal.retention import Quadratic


def held():
    return Quadratic(
        {"a.b": torch.tensor([1.0, 2.0]), "c": torch.tensor([[3.0]])},
        {"a.b": torch.tensor([0.5, -1.0]), "c": torch.tensor([[2.0]])},
    )


def says(path, work):
    with pytest.raises(RunFolderError) as caught:
        work(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_quadratic_comes_back(tmp_path):
    write_quadratic(tmp_path / "ewc", held())
    found = read_quadratic(tmp_path / "ewc")
    for ours, theirs in ((found.fisher, held().fisher), (found.center, held().center)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert found.rest == 0


@pytest.mark.parametrize("part", ["fisher", "center"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_quadratic_that_is_not_finite(tmp_path, part, value):
    broken = held()
    getattr(broken, part)["a.b"][1] = value
    write_quadratic(tmp_path / "ewc", broken)
    assert says(tmp_path / "ewc", read_quadratic) == (
        f"{part}/a.b is not finite or not known, so EWC cannot use it; start anew with another "
        "--out, or leave `ewc` out"
    )


def test_a_quadratic_with_something_else_in_it(tmp_path):
    save_file({"weights/a": torch.ones(2)}, tmp_path / "ewc")
    assert "weights/a is not finite or not known" in says(tmp_path / "ewc", read_quadratic)


@pytest.mark.parametrize("damage", ["gone", "cut", "text"])
@pytest.mark.parametrize("of", ["ewc", "merge", "interpolate"])
def test_a_file_of_tensors_that_is_gone_or_damaged(tmp_path, damage, of):
    path = tmp_path / "held"
    write_quadratic(path, held())
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:40] if damage == "cut" else b"nothing")
    assert says(path, lambda one: read_tensors(one, of)) == (
        f"what an earlier stage kept for `{of}` is gone or damaged; start anew with another "
        f"--out, or leave `{of}` out"
    )


def test_weights_come_back(tmp_path):
    model = tiny.model("llama", tiny.LORA)
    before = copied(model)
    save_file(before, tmp_path / "weights")
    with torch.no_grad():
        for _, parameter in model.trainable():
            parameter.zero_()
    assert all(tensor.any() for tensor in before.values())  # a copy, not a view
    put(model, read_weights(tmp_path / "weights", "merge", model))
    assert all(torch.equal(p, before[name]) for name, p in model.trainable())


@pytest.mark.parametrize("rank", [2, None], ids=["another rank", "nothing"])
def test_weights_that_do_not_fit(tmp_path, rank):
    model = tiny.model("llama", tiny.LORA)
    other = tiny.model("llama", tiny.LoraAdapter(rank=2)) if rank else tiny.model()
    save_file({n: t.contiguous() for n, t in copied(other).items()}, tmp_path / "weights")
    name, parameter = next(model.trainable())
    assert parameter.shape == (3, 32)
    found = "2x32" if rank else "nothing"
    assert says(tmp_path / "weights", lambda one: read_weights(one, "merge", model)) == (
        f"holds {found} for {name}, which is 3x32 now; the adapter must stay the same over all "
        "stages"
    )


@pytest.mark.parametrize("change", ["shape", "fisher gone", "center gone"])
def test_a_quadratic_that_does_not_fit(change):
    pull = held()
    if change == "shape":
        pull.fisher["a.b"] = torch.ones(3)
    else:
        del (pull.fisher if change == "fisher gone" else pull.center)["a.b"]
    parameters = {name: torch.nn.Parameter(t) for name, t in held().center.items()}
    with pytest.raises(RunFolderError) as caught:
        Pull(parameters.items(), pull, 1.0)
    kept = {"shape": "3", "fisher gone": "nothing", "center gone": "2"}[change]
    assert str(caught.value) == (
        f"ewc: earlier stages kept {kept} for a.b, which is 2 now; the adapter must stay the same "
        "over all stages"
    )


def test_every_way_to_choose_has_a_file_of_its_own():
    replays = [Replay(), Replay(keep=3), Replay(select="herding")]
    assert len({buffer_file(one) for one in replays}) == 3
    assert buffer_file(Replay(share=0.5)) == buffer_file(Replay(count=2))
    ways = [Ewc(), Ewc(form="online"), Ewc(form="online", decay=0.5), Ewc(labels="data")]
    assert len({ewc_file(one) for one in (*ways, Ewc(examples=3))}) == 5
    assert ewc_file(Ewc(strength=7.0)) == ewc_file(Ewc())
