"""Settings of one task: its data, its prompt, its metric."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from madrigal.recipe.settings import Names, Settings, Short, listed

FormatName = Literal[
    "auto", "text", "prompt_completion", "alpaca", "sharegpt", "messages", "classification",
    "multiple_choice", "question_answering", "natural_instructions",
    "pairs", "rankings", "ratings", "thumbs", "corrections", "verdicts", "judgements",
]

MetricName = Literal[
    "auto", "accuracy", "macro_f1", "exact_match", "token_f1", "rouge_l", "bleu", "chrf", "perplexity",
    "agreement",
]

Paths = str | Names


class HubSource(Settings):
    """A data set of the hub, read through `datasets`."""

    id: str = Field(min_length=1, description="Data set id, `owner/name`.")
    config: str | None = Field(default=None, description="Configuration of the data set.")
    revision: str | None = Field(default=None, description="Commit or tag.")
    train: str = Field(default="train", description="Name of the training split.")
    validation: str | None = Field(default=None, description="Name of the validation split; left out: cut from training by `split`.")
    test: str | None = Field(default=None, description="Name of the test split; left out: cut from training by `split`.")


class SplitShares(Settings):
    """How a task without its own validation or test file is split, by content: the same in every run, whatever the recipe's seed."""

    validation: float = Field(default=0.05, ge=0, lt=0.5, description="Share of the training records held out for validation.")
    test: float | None = Field(
        default=None, ge=0, lt=0.5, description="Share of the training records held out for test, where no test file is named; left out: 0.1, and of a file of Natural Instructions version 2 its first 100 instances."
    )
    seed: int = Field(default=0, ge=0, description="Another number holds out other examples, also where `max_validation` and `max_test` draw some.")


class Select(Short):
    """Which passages of raw text are trained on: those nearest to a task (DSIR; Xie et al., 2023)."""

    short: ClassVar[str] = "near"
    near: str = Field(min_length=1, description="Name of the task whose training records the text shall be like.")
    share: float | None = Field(default=None, gt=0, le=1, description="Share of the training text that is chosen, in characters. Left out, with `characters` too: 0.1.")
    characters: int | None = Field(default=None, ge=1, description="So much text is chosen, instead of a share.")
    passage: int = Field(default=1000, ge=100, le=1000000, description="Characters of a passage, at least; it ends at the next paragraph, line or space.")


class DataSettings(Short):
    """Where the examples are. A path may be a file, a glob pattern, or a folder of text files."""

    short: ClassVar[str] = "train"
    short_types: ClassVar[tuple[type, ...]] = (str, list, tuple)
    train: Paths | None = Field(default=None, description="File, glob pattern, folder or list of them with the training examples.")
    validation: Paths | None = Field(default=None, description="The same for validation (early stopping, best checkpoint).")
    test: Paths | None = Field(default=None, description="The same for test (every reported score).")
    hub: HubSource | None = Field(default=None, description="A hub data set instead of paths.")
    bundled: str | None = Field(default=None, description="A bundled task of this name instead of paths; see `madrigal list tasks`.")
    format: FormatName = Field(default="auto", description="Record format; `auto` detects it from the fields.")
    columns: dict[str, str] = Field(default_factory=dict, description="Renames fields before detection: `{text: review, label: stars}`.")
    split: SplitShares = Field(default=SplitShares(), description="Shares to hold out where validation or test is not given.")
    select: Select | None = Field(default=None, description="Of raw text, train only on what is nearest to a task; left out: on all of it.")
    on_bad: Literal["error", "drop"] = Field(default="error", description="What becomes of rows that cannot be read as records, or whose answer does not fit the context: `error` lists them and stops, `drop` leaves them out and says how many and which.")
    max_train: int | None = Field(default=None, ge=1, description="At most so many training examples, drawn by the recipe's seed.")
    max_validation: int | None = Field(default=200, ge=1, description="At most so many validation examples, drawn by content alone, so that runs with other seeds are judged by the same.")
    max_test: int | None = Field(default=None, ge=1, description="At most so many test examples, drawn by content alone, so that runs with other seeds are judged by the same.")


class InstructionSettings(Settings):
    """How much of a Natural Instructions definition enters the prompt."""

    definition: bool = Field(default=True, description="Put the definition into the prompt.")
    cautions: bool = Field(default=False, description="Put `Things to Avoid` and `Emphasis & Caution` (version 1) into the prompt.")
    positive: int = Field(default=0, ge=0, le=10, description="Number of positive examples in the prompt.")
    negative: int = Field(default=0, ge=0, le=10, description="Number of negative examples in the prompt.")
    explanations: bool = Field(default=False, description="Give the explanations of the examples.")


class FeedbackSettings(Settings):
    """How judged answers are read: which ratings count, on which scale, and how people are weighed."""

    aspect: Names = Field(default=(), description="What was rated and counts, of several things: names of fields, or of keys inside `ratings`; their mean is the rating. Left out: all that `ratings` holds.")
    scale: Annotated[tuple[float, ...], BeforeValidator(listed)] | None = Field(default=None, description="Lowest and highest rating that could be given, `[1, 6]`; left out: the lowest and highest in the data.")
    counts: dict[str, float] = Field(default_factory=dict, description="Fields that say how many people gave an answer this rating: `{votes_bad: 0, votes_good: 1}`.")
    in_order: bool = Field(default=False, description="The n-th of a list of votes or ratings is by the same person in every row; otherwise nobody knows whose it is.")
    aggregate: Literal["mean", "dawid_skene", "mace"] = Field(default="mean", description="How several people's judgements become one: all count alike, or each as reliable as Dawid and Skene's model or MACE finds them.")


class Augment(Settings):
    """Further training records made from those there are, with the same answers."""

    edits: float = Field(default=0.0, ge=0, le=1, description="Copies with small edits of words (slips of the keyboard, words left out, case, commas), as a share of the training records.")
    swaps: float = Field(default=0.0, ge=0, le=1, description="Copies with names, places and words of gender exchanged, as a share of the training records; at most those that have one.")
    templates: float = Field(default=0.0, ge=0, le=1, description="Copies whose template is worded another way by rule (words of instructions, headings, blank lines, a sentence before), as a share of the training records; none where a prompt has no template.")
    written: str | None = Field(default=None, description="File that `madrigal augment` wrote: copies in a generator's words, at most as many as there are training records. Rows of records that are not trained on are left out.")
    rate: float = Field(default=0.1, gt=0, le=0.5, description="Share of the words that `edits` changes, at least one.")


class TaskSettings(Settings):
    """One task: what is learnt, and how it is judged."""

    data: DataSettings = Field(description="Where the examples are; a bare path is `train`.")
    prompt: str | None = Field(default=None, description="Template of the prompt with fields in braces, `Review: {text}\\nSentiment:`; left out: the format's own.")
    answer: str | None = Field(default=None, description="Template of the answer with fields in braces; left out: the format's own.")
    system: str | None = Field(default=None, description="System message put before the prompt.")
    labels: dict[str, str] | Names | None = Field(
        default=None, description="The labels, or a map from label in the data to the words that the model says; left out: found in the data."
    )
    feedback: FeedbackSettings | None = Field(default=None, description="How judged answers are read; left out: as their fields say.")
    metric: MetricName = Field(default="auto", description="How the task is judged; `auto`: accuracy for choices, token_f1 for short answers, rouge_l for long ones, perplexity for text, agreement for judged answers.")
    normalise_choices: Literal["none", "tokens", "bytes"] = Field(default="none", description="Divide the log-likelihood of a choice by its length in tokens or bytes before ranking.")
    max_new_tokens: int = Field(default=64, ge=1, le=4096, description="Longest generated answer, in tokens.")
    instruction: InstructionSettings = Field(default=InstructionSettings(), description="What of a Natural Instructions task enters the prompt.")
    cluster: str | None = Field(default=None, description="Field whose equal values are resampled together in intervals (document, passage); left out: the passage, where several questions are about one.")
    role: Literal["main", "auxiliary"] = Field(
        default="main", description="An `auxiliary` task is trained to help the others and is not scored: it counts as far as its gradient agrees with theirs."
    )
    shots: int | None = Field(
        default=None, ge=1, description="Train on only so many examples, evenly over the choices where the task has them, drawn by the recipe's seed and `draw`. Those of a smaller number are among those of a larger one. Left out: all."
    )
    augment: Augment | None = Field(default=None, description="Make further training records; left out: none. Held-out ones are never touched.")
    draw: int = Field(default=0, ge=0, description="Which draw of `shots`: another number takes other examples.")
    weight: float = Field(default=1.0, gt=0, le=1000, description="Fixed factor of this task's loss.")
    max_epochs: float | None = Field(default=None, gt=0, description="No training example of this task is seen more often than this.")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="Share of the target's probability spread over the vocabulary.")
    pull_to_start: float = Field(default=0.0, ge=0, description="Strength of this task's L2 pull to the parameters at the start of the stage, per squared unit.")


class EvaluateSettings(Settings):
    """What is measured, and how surely."""

    split: Literal["test", "validation"] = Field(
        default="test", description="Examples behind every score. `validation`: those of validation, so that recipes can be chosen by their scores and the test examples stay unseen; `madrigal sweep` sets it."
    )
    base: bool = Field(default=True, description="Score the untrained base model first.")
    baselines: bool | Literal["together", "separate"] = Field(
        default=False, description="Train one single-task model a task on the same examples and steps, and compare. `true`: all in the same passes where that gives the same models (LoRA without dropout, private parts or early stopping), else one run after another; `together` or `separate`: only so."
    )
    general: Names = Field(default=(), description="Tasks that are watched after every stage and never trained.")
    few_shot: int = Field(default=0, ge=0, le=32, description="In-context examples for a further row of the base model; 0: no such row.")
    kl: bool | Literal["auto"] = Field(
        default="auto", description="After each stage measure how far the model has gone from the base on the test prompts of the stage's tasks, KL(base || model). `auto`: of tasks of judged answers, unless a reward head learns from them. It takes two passes over them; with full fine-tuning, or `start_from`, the base is held in memory a second time meanwhile."
    )
    written: int = Field(default=32, ge=0, le=100000, description="Test prompts of each task of judged answers to which the model writes an answer of its own, before the first stage and after each: for length, repetition and reading. 0: none. Tasks of which only reward heads learn are left out.")
    filter: str | None = Field(default=None, description="Filter that generated answers pass before they are scored: a file of rules, or `plain`, which Madrigal brings. What it blocks is counted, and scored as what is said in its place.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Level of every interval.")
    draws: int = Field(default=2000, ge=200, le=100000, description="Bootstrap draws behind each interval.")
    batch_tokens: int = Field(default=8192, ge=64, description="Padded tokens in one evaluation batch.")
