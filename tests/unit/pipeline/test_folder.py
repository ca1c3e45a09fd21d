"""Where everything of a run stands, and that one run at a time writes there."""

import os

import pytest

from madrigal.errors import RunFolderError
from madrigal.pipeline.folder import RunFolder, locked, stage_label


def test_names(tmp_path):
    folder = RunFolder(tmp_path)
    assert stage_label(3, "law") == "03-law"
    assert folder.stage(1, "together") == tmp_path / "stages" / "01-together"
    assert folder.baseline("mood") == tmp_path / "baselines" / "mood"
    assert folder.predictions("base", "mood") == tmp_path / "predictions" / "base" / "mood.jsonl"


def test_what_is_foreign(tmp_path):
    assert RunFolder(tmp_path / "new").foreign() is None
    assert RunFolder(tmp_path).foreign() is None
    with locked(tmp_path):
        assert RunFolder(tmp_path).foreign() is None
    (tmp_path / "recipe.yaml.aside").touch()
    assert RunFolder(tmp_path).foreign() is None
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").touch()
    assert RunFolder(tmp_path).foreign() == "a.txt"
    assert RunFolder(tmp_path / "a.txt").foreign() == "a.txt"


def test_one_at_a_time(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(RunFolderError, match="another run is writing here"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_the_lock_goes_when_something_is_raised(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_a_place_where_one_may_not_write(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(RunFolderError) as said, locked(tmp_path / "x"):
        pass
    assert str(said.value) == (
        f"{tmp_path / 'x'}: this user may not write here; choose another --out"
    )
