"""Plans an export: the artefacts for the requested formats and quantisations."""

import importlib.util
from collections.abc import Sequence
from typing import Any

from attention_zoo.errors import UserError, suggest
from attention_zoo.export.formats import FORMATS, QUANTIZATIONS
from attention_zoo.export.results import PlannedArtefact


def plan(task: Any, formats: Sequence[str], quantize: Sequence[str]) -> list[PlannedArtefact]:
    """The artefacts of an export.

    Args:
        task: a task.
        formats: of `FORMATS`.
        quantize: of `QUANTIZATIONS`; each format uses those that it supports.

    Raises:
        UserError: if a name is unknown, a package is missing, or a format does not support the
            task.
    """
    planned = []
    for name in quantize:
        if name not in QUANTIZATIONS:
            accepted = suggest(name, QUANTIZATIONS)
            raise UserError(f"there is no quantisation {name!r}; {accepted}")
    for name, form in {name: FORMATS.find(name) for name in formats}.items():
        if reason := form.why_not(task):
            raise UserError(f"the format {name} {reason}")
        missing = [package for package in form.packages if not importlib.util.find_spec(package)]
        if missing:
            install = f": pip install 'attention-zoo[{form.extra}]'" if form.extra else ""
            raise UserError(f"the format {name} needs {' and '.join(missing)}{install}")
        # A format without quantised files is written once, in float32.
        possible = form.quantizations_for(task)
        wanted = [q for q in dict.fromkeys(quantize) if q in possible] or ["none"]
        planned += [PlannedArtefact(format=name, quantize=q, file=form.path(q)) for q in wanted]
    return planned


def impossible_quantizations(
    task: Any, formats: Sequence[str], quantize: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs of a format that can be quantised and a quantisation that it does not support."""
    return [
        (name, wanted)
        for name in dict.fromkeys(formats)
        for wanted in dict.fromkeys(quantize)
        if len(FORMATS[name].quantizations) > 1
        and wanted not in FORMATS[name].quantizations_for(task)
    ]
