"""The score matrix and a run folder: prediction rows in, scores.json out, and back."""

import json
import os
from pathlib import Path

from madrigal.errors import RunFolderError
from madrigal.evaluation.divergence import read_divergences_of, read_from_reference_of
from madrigal.evaluation.intervals import Resampling
from madrigal.evaluation.matrix import VERSION, ScoreMatrix, score_matrix
from madrigal.evaluation.plan import Plan
from madrigal.evaluation.prediction import Prediction, read_folder
from madrigal.evaluation.written import read_written_of


def read_predictions_of(run: Path) -> dict[str, dict[str, list[Prediction]]]:
    """All prediction rows of a run, by folder (`base`, `01-together`, `single`), then task."""
    folders = sorted(p for p in (run / "predictions").glob("*") if p.is_dir())
    if not folders:
        raise RunFolderError(f"{run}: no predictions in it; run `madrigal run` to its end first")
    return {folder.name: read_folder(folder) for folder in folders}


def score_run(run: Path, plan: Plan) -> ScoreMatrix:
    """Score a run folder from its prediction rows, rows of KL to the base, and written answers."""
    found = read_predictions_of(run)
    from_base, from_reference = read_divergences_of(run), read_from_reference_of(run)
    return score_matrix(found, plan, from_base, read_written_of(run), from_reference)


def write_scores(run: Path, matrix: ScoreMatrix) -> Path:
    """Write scores.json: all of it or, after a crash, the one before."""
    path = run / "scores.json"
    aside = path.with_name(path.name + ".partial")
    text = json.dumps(matrix.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    with aside.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return path


def read_plan(run: Path) -> Plan:
    """The plan that a run's scores.json was made with.

    Raises:
        RunFolderError: there is no scores.json, or it is of another version.
    """
    path = run / "scores.json"
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        if scores["version"] != VERSION:
            raise RunFolderError(
                f"{path}: version {scores['version']} is not known here (only {VERSION}); "
                "use the Madrigal that wrote it"
            )
        return Plan(
            metrics={task: facts["metric"] for task, facts in scores["tasks"].items()},
            learned={r["stage"]: tuple(r["learned"]) for r in scores["rows"] if r["learned"]},
            before=tuple(scores.get("before", ())),
            general=tuple(t for t, facts in scores["tasks"].items() if facts["general"]),
            resampling=Resampling(scores["seed"], scores["draws"], scores["confidence"]),
        )
    except FileNotFoundError:
        raise RunFolderError(
            f"{run}: no scores.json; run `madrigal run` to its end, or `madrigal evaluate`"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(
            f"{path}: damaged ({type(error).__name__}: {error}); run `madrigal evaluate` again"
        ) from None


def recompute(run: Path) -> ScoreMatrix:
    """Every score of a run once more, from its prediction rows and the plan in its scores.json."""
    return score_run(run, read_plan(run))
