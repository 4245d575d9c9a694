"""By what artefacts are compared with their model."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Compared:
    """A signature that every artefact of a task has, and what goes in and comes out.

    Attributes:
        signature: its name.
        inputs: the names of its arguments.
        output: the name of the numbers that are compared.
    """

    signature: str
    inputs: tuple
    output: str
