from madrigal.mixture import Draw, Source
from madrigal.mixture.again import Again


class Counting:
    steps = 7

    def draws(self, step):
        return (Draw("a", step), Draw("b", step), Draw("c", step))

    def asked_shares(self):
        return {"a": 0.5, "b": 0.25, "c": 0.25}


def test_a_task_repeats_what_it_drew_and_the_others_go_on():
    source = Again(Counting(), {"b": 3, "c": 2})
    assert isinstance(source, Source)
    found = [{draw.task: draw.index for draw in source.draws(step)} for step in range(source.steps)]
    assert [one["a"] for one in found] == [0, 1, 2, 3, 4, 5, 6]
    assert [one["b"] for one in found] == [0, 0, 0, 3, 3, 3, 6]
    assert [one["c"] for one in found] == [0, 0, 2, 2, 4, 4, 6]
    assert source.asked_shares() == {"a": 0.5, "b": 0.25, "c": 0.25}
