"""One map of attention: which tokens attended to which, as numbers and as an image."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np

from attention_zoo.errors import UserError, shown
from attention_zoo.files import atomic_file

PICTURES = ("png", "pdf", "svg")
AXES = {  # what the columns and the rows of a view are
    "cross": ("source", "answer"),
    "encoder": ("text", "text"),
    "decoder": ("answer, read", "answer, written"),
}
_LONGEST_EDGE = 20_000  # pixels
_NAMED = 8  # missing characters to list
_STRONGEST = 3  # attended tokens to list for each token


@dataclasses.dataclass(frozen=True)
class AttentionMap:
    """Attention weights between tokens, of one head or of the mean of a block's heads.

    Attributes:
        answer: the answer of a sequence-to-sequence task; otherwise None.
        view: `"cross"`, `"encoder"` or `"decoder"`, see `AttentionView`.
        tokens: the attending tokens.
        attended: the attended tokens.
        weights: float array `(tokens, attended)`; each row sums to 1.
        block: the block, from 1.
        head: the head, from 1; None for the mean of all heads.
    """

    answer: str | None
    view: str
    tokens: list
    attended: list
    weights: np.ndarray
    block: int
    head: int | None

    @property
    def record(self):
        """The map as a dict for JSON."""
        return {**vars(self), "weights": [[round(float(w), 6) for w in r] for r in self.weights]}

    @property
    def lines(self):
        """A line for each token: what it attended to most, with the weights."""
        lines = []
        for token, row in zip(self.tokens, self.weights, strict=True):
            best = np.argsort(-row, kind="stable")[:_STRONGEST]
            named = (f"{visible(self.attended[i])} {row[i]:.2f}" for i in best)
            lines.append("\t".join([visible(token), *named]))
        return lines


def draw_attention(attention, path, font=None, warn=lambda message: None):
    """Draws an `AttentionMap`.

    Args:
        attention: the map.
        path: the file to write, .png, .pdf or .svg.
        font: a font file for characters that matplotlib's default font lacks.
        warn: called with a line of text if the font lacks some characters.

    Raises:
        UserError: if matplotlib is not installed, or the font is not a font file.
    """
    suffix = Path(path).suffix.lstrip(".").lower()
    if suffix not in PICTURES:
        raise UserError(f"{path}: a picture ends in .{', .'.join(PICTURES)}")
    try:
        import matplotlib
    except ImportError as error:
        raise UserError("drawing needs matplotlib: pip install 'attention-zoo[plot]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    style = {"parse_math": False, **_font_style(font)}
    tokens, attended = (
        [visible(t) for t in side] for side in (attention.tokens, attention.attended)
    )
    size = (1.5 + 0.3 * len(attended), 1.5 + 0.3 * len(tokens))
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    try:
        image = axes.imshow(attention.weights, cmap="viridis", vmin=0.0, vmax=1.0)
        axes.set_xticks(range(len(attended)), attended, **style)
        axes.set_yticks(range(len(tokens)), tokens, **style)
        axes.xaxis.tick_top()
        of_keys, of_queries = AXES[attention.view]
        axes.set_xlabel(of_keys)
        axes.set_ylabel(of_queries)
        figure.colorbar(image, label="attention weight", shrink=0.6)
        # matplotlib warns about each missing character separately.
        with atomic_file(path) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dpi = min(150, _LONGEST_EDGE / max(size))
            figure.savefig(temporary, format=suffix, dpi=dpi)
    finally:
        pyplot.close(figure)
    missing = _missing("".join([*tokens, *attended]), font)
    if missing:
        warn(
            f"{path}: the font lacks {shown(''.join(missing[:_NAMED]))}"
            f"{' and others' if len(missing) > _NAMED else ''}: choose one that has them (--font)"
        )


def visible(piece: str) -> str:
    """A token, formatted for people."""
    return {" ": "_", "</s>": "end"}.get(piece) or piece


def _font_style(font):
    if font is None:
        return {}
    from matplotlib.font_manager import FontProperties

    try:
        _open_font(font)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "matplotlib cannot read it"
        raise UserError(f"{font} is not a font file: {reason}") from error
    return {"fontproperties": FontProperties(fname=str(font))}


def _open_font(font):
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(font) if font else findfont(FontProperties()))


def _missing(text, font):
    """The characters of a text that a font lacks, in order."""
    known = _open_font(font).get_charmap()
    return list(dict.fromkeys(c for c in text if ord(c) not in known and not c.isspace()))
