"""Reading `report.json`, which may come from a stranger: it names nothing outside its directory."""

from pathlib import Path

from pydantic import Field

from attention_zoo.errors import UserError
from attention_zoo.export import verify
from attention_zoo.export.formats import FORMATS
from attention_zoo.json_files import Content, check_content, read_json

REPORT_FILE = "report.json"


class PlannedArtefact(Content):
    """What a report says of an artefact that no run can tell."""

    format: str
    file: str
    quantize: str
    # Reports of earlier versions do not say what stayed in 32 bits: nothing did.
    in_float: list[str] = Field(default_factory=list)
    sha256: str | None = None


class Report(Content):
    """What a report says of an export.

    Those of earlier versions have neither an origin nor a gate, and name no other files.
    """

    task: str
    model: str
    parameters: int
    origin: dict[str, object] = Field(default_factory=dict)
    max_drop: float = verify.MAX_DROP
    versions: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    artefacts: list[PlannedArtefact]


def read_report(directory):
    """Reads the `report.json` of an export directory.

    Raises:
        UserError: if it is missing or damaged, or lists what no export writes.
    """
    path = Path(directory) / REPORT_FILE
    try:
        report = check_content(read_json(path), Report, path)
    except UserError as error:
        raise UserError(f"{directory} is no export: {error}") from error
    foreign = [artefact.file for artefact in report.artefacts if not _is_planned(artefact)]
    if foreign:
        raise UserError(f"{path} lists what no export of this version is: {foreign[0]!r}")
    return report


def _is_planned(artefact):
    """Whether a report's artefact is one that an export writes, where it writes it."""
    form = FORMATS.get(artefact.format)
    return (
        form is not None
        and artefact.quantize in form.quantizations
        and artefact.file == form.path(artefact.quantize)
    )
