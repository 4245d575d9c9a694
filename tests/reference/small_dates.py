"""The recipe for dates with few lines of its data, for pages whose commands are run."""

from pathlib import Path

_RECIPE = Path(__file__).parents[2] / "recipes" / "dates"
_LINES = {"train": 500, "valid": 11, "test": 11}
# Appended to `train`: what shows that a command is right need not take long.
SMALL = (
    "--set train.steps=3 --set model.width=32 --set model.num_heads=2 "
    "--set model.feed_forward_width=32 --set model.num_encoder_blocks=1 "
    "--set model.num_decoder_blocks=1"
)


def first_lines(path, count):
    """The first lines of a file."""
    return "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:count])


def write_dates(folder):
    """Writes `recipes/dates` into a folder."""
    data = folder / "recipes" / "dates" / "data"
    data.mkdir(parents=True)
    recipe = (_RECIPE / "recipe.yaml").read_text(encoding="utf-8")
    (data.parent / "recipe.yaml").write_text(recipe, encoding="utf-8")
    for name, count in _LINES.items():
        lines = first_lines(_RECIPE / "data" / f"{name}.tsv", count)
        (data / f"{name}.tsv").write_text(lines, encoding="utf-8")
