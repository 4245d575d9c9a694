"""Makes the feed-forward networks of a trained Transformer wider; its answers stay as they are.

    python recipes/g2p/widen.py g2p_transformer runs/wider --feed-forward-width 1536

New inner units begin with random weights in front of them and zeros behind them, so they add
nothing until training finds a use for them. What is written is a task that a recipe goes on
from: `model: {pretrained: ../../runs/wider}`.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import attention_zoo as az
from attention_zoo.errors import UserError
from attention_zoo.files import require_empty
from attention_zoo.zoo import Transformer
from attention_zoo.zoo.model import model_config
from attention_zoo.zoo.weights import assign_weights, saved_weights


def main(
    task: Annotated[str, typer.Argument(help="a run, a task, or a name of the zoo")],
    out: Annotated[Path, typer.Argument(help="directory of the wider task")],
    feed_forward_width: Annotated[int, typer.Option(help="inner width of the wider task")],
):
    """Writes the wider task."""
    require_empty(out, "choose another directory")
    task = az.load(task)
    task.model = widened(task.model, feed_forward_width)
    task.save(out)


def widened(model, feed_forward_width):
    """The same function by a Transformer of a greater feed-forward width."""
    if not isinstance(model, Transformer):
        raise UserError(f"a Transformer is needed, received {type(model).__name__}")
    if feed_forward_width < model.feed_forward_width:
        raise UserError(
            f"the feed-forward width must be at least {model.feed_forward_width}, which it is now; "
            f"received {feed_forward_width}"
        )
    wider = type(model)(**{**model_config(model), "feed_forward_width": feed_forward_width})
    old = {name: v.numpy() for name, v in saved_weights(model).items()}
    new = {name: v.numpy() for name, v in saved_weights(wider).items()}
    assign_weights(wider, {name: _grown(name, old[name], new[name]) for name in new}, "the task")
    return wider


def _grown(name, old, new):
    """The old weights, with the new units' own in front of them and zeros behind them."""
    grown = np.zeros_like(new) if name.endswith("outer/kernel") else new.copy()
    grown[tuple(slice(size) for size in old.shape)] = old
    return grown


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        sys.exit(f"{Path(__file__).name}: {error}")
