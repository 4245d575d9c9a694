"""What verification finds and what `report.json` holds: the types, and how old reports are read.

`report.json` may come from a stranger: it names nothing outside its directory. What earlier
versions did not write has its default here and nowhere else.
"""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from attention_zoo.errors import UserError
from attention_zoo.export.formats import FORMATS
from attention_zoo.json_files import Content, check_content, read_json

REPORT_FILE = "report.json"
# Points of a metric that a quantised artefact may lose, unless another limit is given.
MAX_DROP = 0.5


class Result(Content):
    """A result with attributes, which can also be read like the object in `report.json`.

    So `report.artefacts[0].file` and `report["artefacts"][0]["file"]` are the same.
    """

    model_config = ConfigDict(populate_by_name=True)

    def __getitem__(self, key: str) -> Any:
        names = {field.alias or name: name for name, field in type(self).model_fields.items()}
        return getattr(self, names[key])

    @property
    def record(self) -> dict[str, Any]:
        """The result as a dict for JSON."""
        return self.model_dump(by_alias=True)


class PlannedArtefact(Result):
    """An artefact that an export writes, and what only writing it can tell.

    Attributes:
        format: of `FORMATS`.
        quantize: of `QUANTIZATIONS`.
        file: its path in the export directory.
        kept_in_float32: the names of the weights that were not quantised though others are.
        sha256: of what was written; unknown in reports of early versions.
    """

    format: str
    quantize: str
    file: str
    kept_in_float32: list[str] = Field(default_factory=list, alias="in_float")
    sha256: str | None = None


class Verification(Result):
    """What running an artefact has shown.

    Attributes:
        verified: whether it counts as exported.
        failure: why not, or "".
        compared: the number of examples.
        max_abs_diff: the largest difference of a number from the model's.
        mean_abs_diff: the mean difference.
        beyond: the fraction of the positions, or texts, that differ by more than the tolerance.
        cosine: the mean cosine of the numbers of a row.
        outputs: the largest difference of every other number of an answer, such as its score.
        clients: the conditions under which it gave the same.
        same_answers: the fraction of equal answers; None for a format that only gives numbers.
        metric: of its answers.
        drop: the points that each metric has lost.
        latency_ms: of one example with one thread: `p50` and `p95`.
        latency_all_ms: of one example with all threads.
        peak_bytes: of a process that answers one example at a time.
        signatures: by name; each has `inputs` and `outputs`, names to types and shapes.
        runtime: the versions of the packages that ran it.
    """

    # A figure that cannot be computed, such as the correlation with a constant, is NaN.
    model_config = ConfigDict(allow_inf_nan=True)

    verified: bool = False
    failure: str = ""
    compared: int = 0
    max_abs_diff: float | None = None
    mean_abs_diff: float | None = None
    beyond: float | None = None
    cosine: float | None = None
    outputs: dict[str, float] = Field(default_factory=dict)
    clients: list[str] = Field(default_factory=list)
    same_answers: float | None = None
    metric: dict[str, float] = Field(default_factory=dict)
    drop: dict[str, float] = Field(default_factory=dict)
    latency_ms: dict[str, float] = Field(default_factory=dict)
    latency_all_ms: dict[str, float] = Field(default_factory=dict)
    peak_bytes: int | None = None
    signatures: dict[str, dict[str, dict[str, str]]] = Field(default_factory=dict)
    runtime: dict[str, str] = Field(default_factory=dict)


class Artefact(Verification, PlannedArtefact):
    """An artefact in a report.

    Attributes:
        bytes: its size.
        operators: the operators that it consists of, or "".
    """

    model_config = ConfigDict(allow_inf_nan=True)

    bytes: int
    operators: str


class Origin(Result):
    """What a report says of an export that verification cannot find out again.

    Attributes:
        task: the kind of the task.
        model: the class of the model.
        parameters: the number of its weights.
        origin: where task and examples come from.
        max_drop: points of a metric that a quantised artefact may lose.
        versions: of the packages that made the artefacts.
        files: the SHA-256 of the files beside the artefacts.
    """

    task: str
    model: str
    parameters: int
    origin: dict[str, Any] = Field(default_factory=dict)
    max_drop: float = MAX_DROP
    versions: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)


class Record(Origin):
    """What is read of a `report.json` to verify an export again; the rest is made anew."""

    artefacts: list[PlannedArtefact]


class KerasResult(Result):
    """The quality of the Keras model's own answers, and how sacreBLEU describes the metrics."""

    model_config = ConfigDict(allow_inf_nan=True)

    metric: dict[str, float]
    signatures: dict[str, str]


class Report(Origin):
    """What was exported, how it was compared, and how far it differs.

    Attributes:
        examples: the number of examples.
        example: the shortest one, texts and ids by the name of the input.
        labels: of the task, or an empty list.
        limits: the greatest lengths in ids, by the name of the input.
        changed: the files beside the artefacts that are not as exported.
        keras: the quality of the model.
        artefacts: the artefacts.
    """

    examples: int
    example: dict[str, str | list[int]]
    labels: list[str]
    limits: dict[str, int]
    changed: list[str]
    keras: KerasResult
    artefacts: list[Artefact]


def read_report(directory: Path | str) -> Record:
    """Reads the `report.json` of an export directory.

    Raises:
        UserError: if it is missing or damaged, or lists what no export writes.
    """
    path = Path(directory) / REPORT_FILE
    try:
        report = check_content(read_json(path), Record, path)
    except UserError as error:
        raise UserError(f"{directory} is no export: {error}") from error
    foreign = [artefact.file for artefact in report.artefacts if not _is_planned(artefact)]
    if foreign:
        raise UserError(f"{path} lists what no export of this version is: {foreign[0]!r}")
    return report


def _is_planned(artefact: PlannedArtefact) -> bool:
    """Whether a report's artefact is one that an export writes, where it writes it."""
    form = FORMATS.get(artefact.format)
    return (
        form is not None
        and artefact.quantize in form.quantizations
        and artefact.file == form.path(artefact.quantize)
    )
