"""The types of verification results and of `report.json`, and how old reports are read.

`report.json` may come from an untrusted source: it cannot name files outside its directory. The
defaults of fields that earlier versions did not write are all here.
"""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from attention_zoo.errors import UserError
from attention_zoo.export.formats import FORMATS
from attention_zoo.json_files import Content, check_content, read_json

REPORT_FILE = "report.json"
# How many points of a metric a quantised artefact may lose by default.
MAX_DROP = 0.5


class Result(Content):
    """A result with attributes, which can also be indexed like the object in `report.json`.

    `report.artefacts[0].file` and `report["artefacts"][0]["file"]` are the same.
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
    """An artefact that an export writes, with what is known once it is written.

    Attributes:
        format: of `FORMATS`.
        quantize: of `QUANTIZATIONS`.
        file: its path in the export directory.
        kept_in_float32: the names of the weights that were left in float32 in a quantised file.
        sha256: the digest of the artefact; None in reports of early versions.
    """

    format: str
    quantize: str
    file: str
    kept_in_float32: list[str] = Field(default_factory=list, alias="in_float")
    sha256: str | None = None


class Verification(Result):
    """The results of running an artefact.

    Attributes:
        verified: whether it passed.
        failure: why it did not, or "".
        compared: how many examples were compared.
        max_abs_diff: the largest difference of a number from the model's.
        mean_abs_diff: the mean difference.
        beyond: the fraction of positions or texts that differ by more than the tolerance.
        cosine: the mean cosine of the numbers of a row.
        outputs: the largest difference of every other number of an answer, such as its score.
        clients: the conditions under which it gave the same outputs.
        same_answers: the fraction of equal answers; None for a format that only gives numbers.
        metric: the metrics of its answers.
        drop: how many points each metric has lost.
        latency_ms: for one example with one thread: `p50` and `p95`.
        latency_all_ms: for one example with all threads.
        peak_bytes: the memory of a process that answers one example at a time.
        signatures: by name; `inputs` and `outputs` map names to types and shapes.
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
        operators: the operators in it, or "".
    """

    model_config = ConfigDict(allow_inf_nan=True)

    bytes: int
    operators: str


class Origin(Result):
    """The part of a report that verification alone cannot determine.

    Attributes:
        task: the kind of the task.
        model: the class of the model.
        parameters: how many parameters the model has.
        origin: where task and examples come from.
        max_drop: how many points of a metric a quantised artefact may lose.
        versions: the versions of the packages that made the artefacts.
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
    """The part of a `report.json` needed to verify an export again; the rest is recomputed."""

    artefacts: list[PlannedArtefact]


class KerasResult(Result):
    """The quality of the Keras model's own answers, and how sacreBLEU describes the metrics."""

    model_config = ConfigDict(allow_inf_nan=True)

    metric: dict[str, float]
    signatures: dict[str, str]


class Report(Origin):
    """What was exported, how it was compared, and how far it differs.

    Attributes:
        examples: how many examples there are.
        example: the shortest example: texts and ids by the name of the input.
        labels: the labels of the task, or an empty list.
        limits: the maximum lengths in ids, by the name of the input.
        changed: the files beside the artefacts that were changed since the export.
        keras: the quality of the Keras model.
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
        UserError: if it is missing or damaged, or lists an unknown artefact.
    """
    path = Path(directory) / REPORT_FILE
    try:
        report = check_content(read_json(path), Record, path)
    except UserError as error:
        raise UserError(f"{directory} is not an export: {error}") from error
    foreign = [artefact.file for artefact in report.artefacts if not _is_planned(artefact)]
    if foreign:
        raise UserError(
            f"{path} lists an artefact that this version does not export: {foreign[0]!r}"
        )
    return report


def _is_planned(artefact: PlannedArtefact) -> bool:
    """Whether an export would write this artefact, at this path."""
    form = FORMATS.get(artefact.format)
    return (
        form is not None
        and artefact.quantize in form.quantizations
        and artefact.file == form.path(artefact.quantize)
    )
