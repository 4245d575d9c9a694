"""Arguments and options that several commands take, and what becomes of them."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str,
    typer.Argument(
        metavar="RUN|ARTEFACT",
        help="a run, a task, an export or an artefact; or the name of a pretrained task",
    ),
]
Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="a run or task directory, or the name of a pretrained task"),
]
RecipeFile = Annotated[Path, typer.Argument(help="a YAML file")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="replace a value, such as train.steps=100"),
]
BeamSize = Annotated[int | None, typer.Option(min=1, help="hypotheses; 1 is greedy search")]
LengthPenalty = Annotated[float | None, typer.Option(help="alpha of Wu et al. 2016")]
CoveragePenalty = Annotated[float | None, typer.Option(help="beta of Wu et al. 2016, of a beam")]
MinLength = Annotated[
    int | None, typer.Option(help="smallest length of answers in ids, with the end")
]
NoRepeatNgram = Annotated[
    int | None, typer.Option(help="no sequence of this many tokens occurs twice in an answer")
]


def given(**options):
    """Those options that were given; others keep their defaults."""
    return {name: value for name, value in options.items() if value is not None}
