"""What keeping the past cost, by stage and by kind, from the files of the stages alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from madrigal.report.curves import by_task
from madrigal.report.folder import Json, RunFolder, StageLog
from madrigal.report.numbers import mapping, number
from madrigal.report.scoreboard import label

KINDS = {
    "replay": "replay",
    "ewc": "EWC",
    "distill": "distillation",
    "o_lora": "O-LoRA",
    "merge": "merging",
    "interpolate": "interpolation",
    "agem": "A-GEM",
    "isolation": "isolation",
}


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage: its own work, and what each kind of retention added in its steps.

    `seconds` by kind are measured in each step, except those of replay: the step's other seconds
    times the replayed tokens' share of its tokens. Work between stages is that of making ready what
    was kept, before the steps, and of keeping, after them.
    """

    stage: str
    settings: Mapping[str, Json]  # by kind that was on
    steps: int
    own_seconds: float
    seconds: Mapping[str, float]
    own_flops: float | None = None
    flops: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, float] = field(default_factory=dict)
    between: Mapping[str, float] = field(default_factory=dict)  # seconds before and after steps
    keeping_flops: Mapping[str, float] = field(default_factory=dict)
    keeping_memory: Mapping[str, float] = field(default_factory=dict)  # the most, in bytes
    kept: Mapping[str, float] = field(default_factory=dict)  # bytes for later stages
    inference: float | None = None  # bytes of the weights it ends with, beside a frozen base
    inference_added: Mapping[str, float] = field(default_factory=dict)  # bytes, by kind
    peak: float | None = None  # bytes, the highest of the run so far
    parameters: float | None = None  # that are trained

    @property
    def added(self) -> float:
        """Seconds that retention added to the steps."""
        return sum(self.seconds.values(), 0.0)

    @property
    def share(self) -> float | None:
        """Those seconds as a share of the stage's own."""
        return self.added / self.own_seconds if self.own_seconds else None

    @property
    def step_seconds(self) -> float | None:
        """A step's own seconds."""
        return self.own_seconds / self.steps if self.steps else None

    @property
    def words(self) -> str:
        """`replay and EWC`, `replay, EWC and distillation`; nothing where nothing was on."""
        *names, last = [KINDS.get(kind, kind) for kind in self.settings] or [""]
        return f"{', '.join(names)} and {last}" if names else last


def stage_costs(run: RunFolder) -> tuple[StageCost, ...]:
    """Every stage that left a log, in order; in front what was kept of an earlier run."""
    logs = [log for log in run.stages if log.steps]
    return tuple(_stage(run, log) for log in ((run.before, *logs) if run.before.kept else logs))


def _stage(run: RunFolder, log: StageLog) -> StageCost:
    written = log.retention
    settings = mapping(written.get("settings")) or _of_recipe(run, log)
    earlier = set(mapping(written.get("replayed"))) or _foreign(run, log)
    own, seconds = _seconds(log, earlier)
    flops, ready = _numbers(written.get("flops")), _numbers(written.get("seconds"))
    own_flops, answers = flops.pop("own", None), flops.pop("answers", 0.0)
    own_flops = None if own_flops is None else own_flops + answers
    keeping = _column(log.kept, "seconds")
    return StageCost(
        stage=log.name,
        settings={kind: mapping(setting) for kind, setting in settings.items()},
        steps=len(log.steps),
        own_seconds=own,
        seconds=seconds,
        own_flops=own_flops,
        flops=flops,
        memory=_numbers(written.get("memory_bytes")),
        between={k: ready.get(k, 0.0) + keeping.get(k, 0.0) for k in (*ready, *keeping)},
        keeping_flops=_column(log.kept, "flops"),
        keeping_memory=_column(log.kept, "peak_memory_bytes"),
        kept=_column(log.kept, "bytes"),
        inference=number(written.get("inference_bytes")),
        inference_added=_numbers(written.get("inference_added_bytes")),
        peak=number(written.get("peak_memory_bytes")),
        parameters=number(written.get("trained_parameters")),
    )


def _seconds(log: StageLog, earlier: set[str]) -> tuple[float, dict[str, float]]:
    own, added = 0.0, {}
    for step in log.steps:
        parts = by_task(step, "retention_seconds")
        rest = max(0.0, (number(step.get("seconds")) or 0.0) - sum(parts.values()))
        tokens = by_task(step, "tokens")
        replayed = sum(count for task, count in tokens.items() if task in earlier)
        if replayed:
            parts["replay"] = rest * replayed / sum(tokens.values())
            rest -= parts["replay"]
        own += rest
        for kind, spent in parts.items():
            added[kind] = added.get(kind, 0.0) + spent
    return own, added


def _of_recipe(run: RunFolder, log: StageLog) -> dict[str, Json]:
    """The kinds that the recipe names for the stage."""
    stages = run.recipe.get("stages")
    for stage in stages if isinstance(stages, list) else ():
        if mapping(stage).get("name") == label(log.name):
            kept = mapping(stage).get("retain")
            named = [one for one in kept if mapping(one)] if isinstance(kept, list) else []
            return {str(one["kind"]): one for one in named if "kind" in one}
    return {}


def _foreign(run: RunFolder, log: StageLog) -> set[str]:
    """Tasks that the stage met and that its recipe does not learn."""
    stages = run.recipe.get("stages")
    for stage in stages if isinstance(stages, list) else ():
        learnt = mapping(stage).get("learn")
        if mapping(stage).get("name") == label(log.name) and isinstance(learnt, list):
            return {task for step in log.steps for task in by_task(step, "tokens")} - set(learnt)
    return set()


def _column(kept: Json, name: str) -> dict[str, float]:
    """One number of what was kept, by kind."""
    return _numbers({kind: mapping(costs).get(name) for kind, costs in kept.items()})


def _numbers(value: object) -> dict[str, float]:
    pairs = mapping(value).items()
    return {str(key): known for key, raw in pairs if (known := number(raw)) is not None}


@dataclass(frozen=True, slots=True)
class KindCost:
    """One kind of retention over the whole run. None where a run does not say."""

    kind: str
    stages: tuple[str, ...]
    seconds: float  # in steps
    share: float | None  # of the own seconds of the stages in which it was on
    between: float  # seconds before and after the steps of stages
    flops: float | None  # all of it
    flops_share: float | None  # of the own operations of those stages
    memory: float | None  # the most that it held in steps
    peak: float | None  # the most that it needed at the end of a stage
    kept: float  # bytes on the disk at the end
    inference: float | None  # bytes more that the result needs


def kind_costs(stages: Sequence[StageCost]) -> tuple[KindCost, ...]:
    """Every kind that was on in some stage, in the order in which they came."""
    kinds = dict.fromkeys(kind for stage in stages for kind in stage.settings)
    return tuple(_kind(kind, stages) for kind in kinds)


def _kind(kind: str, stages: Sequence[StageCost]) -> KindCost:
    on = [stage for stage in stages if kind in stage.settings]
    seconds = sum(stage.seconds.get(kind, 0.0) for stage in on)
    own = sum(stage.own_seconds for stage in on)
    told = [stage for stage in on if stage.own_flops is not None]
    flops = sum(stage.flops.get(kind, 0.0) for stage in told) if told else None
    if flops is not None:
        flops += sum(stage.keeping_flops.get(kind, 0.0) for stage in stages)
    own_flops = sum(stage.own_flops or 0.0 for stage in told)
    return KindCost(
        kind=kind,
        stages=tuple(stage.stage for stage in on),
        seconds=seconds,
        share=seconds / own if own else None,
        between=sum(stage.between.get(kind, 0.0) for stage in stages),
        flops=flops,
        flops_share=flops / own_flops if flops is not None and own_flops else None,
        memory=_most(stage.memory.get(kind) for stage in on),
        peak=_most(stage.keeping_memory.get(kind) for stage in stages),
        kept=sum(stage.kept.get(kind, 0.0) for stage in stages),
        inference=_grown(kind, stages),
    )


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _grown(kind: str, stages: Sequence[StageCost]) -> float | None:
    """Only structure makes the result larger: O-LoRA keeps every stage's adapter, isolation a part
    for every task."""
    added = _most(stage.inference_added.get(kind) for stage in stages)
    if added is not None or kind != "o_lora":
        return added or 0.0
    sizes = [stage.inference for stage in stages if stage.inference is not None]
    return sizes[-1] - sizes[0] if len(sizes) > 1 else None
