"""A picture of where the decoder looked."""

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file


def draw_attention(task, text, answer, path, font=None):
    """Draws the cross-attention of the last block, mean over heads, to a PNG file.

    Args:
        task: a sequence-to-sequence task.
        text: the source.
        answer: what was answered.
        path: the PNG file to write.
        font: a font file for characters that matplotlib's own font lacks.

    Raises:
        UserError: if matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UserError("drawing needs matplotlib: pip install 'attention-zoo[plot]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.font_manager import FontProperties

    weights, source, target = task.attention(text, answer)
    weights_TS = weights[-1].mean(axis=0)
    figure, axes = pyplot.subplots(
        figsize=(1.5 + 0.3 * len(source), 1.5 + 0.3 * len(target)), layout="constrained"
    )
    image = axes.imshow(weights_TS, cmap="viridis", vmin=0.0, vmax=1.0)
    style = {"fontproperties": FontProperties(fname=font)} if font else {}
    axes.set_xticks(range(len(source)), _visible(source), **style)
    axes.set_yticks(range(len(target)), _visible(target), **style)
    axes.xaxis.tick_top()
    axes.set_xlabel("source")
    axes.set_ylabel("answer")
    figure.colorbar(image, label="attention weight", shrink=0.6)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    pyplot.close(figure)


def _visible(pieces):
    return ["_" if piece == " " else "end" if piece == "</s>" else piece for piece in pieces]
