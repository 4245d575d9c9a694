"""Writes an explanation as one HTML file, which needs nothing else."""

import base64
import html
import json
import re
import zlib
from importlib import resources
from pathlib import Path

import numpy as np

from attention_zoo.files import atomic_file
from attention_zoo.version import __version__
from attention_zoo.viewer.attention_map import AXES
from attention_zoo.viewer.measures import attention_entropy, attention_rollout

# A page is smaller than 5 MB; base64 needs 4 bytes for 3.
_MOST_BYTES = 4_700_000 * 3 // 4
# The numbers of steps in which weights are written that do not fit as float32.
_LEVELS = (65_535, 255, 63, 15)
_FRAME_HEIGHT = 720  # pixels, in a notebook
_OPENING = '<script id="data" type="application/json">'
_TITLES = {
    "cross": "cross-attention",
    "encoder": "self-attention of the encoder",
    "decoder": "self-attention of the decoder",
}


def write_page(explanation, path, warn=lambda message: None):
    """Writes the page of an explanation.

    Args:
        explanation: an `Explanation`.
        path: the file to write.
        warn: called with a line of text if the weights are rounded to fit.
    """
    page, precision = _page(explanation)
    with atomic_file(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8")
    if precision:
        warn(f"{path}: weights are rounded, by at most {precision:.1g}, to keep it below 5 MB")


def framed_page(explanation):
    """The page in an `iframe`, for a notebook."""
    page, _ = _page(explanation)
    return (
        f'<iframe srcdoc="{html.escape(page)}" title="attention" loading="lazy" '
        f'style="width: 100%; height: {_FRAME_HEIGHT}px; border: 0"></iframe>'
    )


def read_page(path):
    """The weights in a page, for tests and other programs.

    Args:
        path: a page that `write_page` wrote.

    Returns:
        The page's data as a dict, whose `arrays` are NumPy arrays.

    Example:
        >>> import tempfile
        >>> import attention_zoo as az
        >>> found = az.explain(az.load("g2p_rnn"), "zoo")
        >>> page = Path(tempfile.mkdtemp()) / "zoo.html"
        >>> found.save(page)
        >>> [array.shape for array in read_page(page)["arrays"]]
        [(1, 1, 3, 4)]
    """
    text = Path(path).read_text(encoding="utf-8")
    start = text.index(_OPENING) + len(_OPENING)
    data = json.loads(text[start : text.index("</script>", start)])
    packed = np.frombuffer(
        zlib.decompress(base64.b64decode(data["packed"]), -15), _type_of(data["levels"])
    )
    values = (packed / data["levels"]) ** 2 if data["levels"] else packed
    sizes = np.cumsum([np.prod(shape, dtype=int) for shape in data["arrays"]])
    parts = np.split(values, sizes[:-1])
    data["arrays"] = [p.reshape(s) for p, s in zip(parts, data["arrays"], strict=True)]
    return data


def _page(explanation):
    """The page, and by how much its weights may be wrong, 0 if not at all."""
    data, arrays = _data(explanation)
    packed, levels = _pack(arrays)
    data |= {"levels": levels, "arrays": [array.shape for array in arrays]}
    data["packed"] = base64.b64encode(packed).decode()
    # "<" could end the script.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    template = resources.files("attention_zoo.viewer").joinpath("page.html")
    title = " \N{EM DASH} ".join(["Attention", *explanation.texts])
    contents = {"title": html.escape(title), "data": text}
    # At once: texts may contain the marks.
    page = re.sub(
        r"\{\{(\w+)\}\}", lambda mark: contents[mark[1]], template.read_text(encoding="utf-8")
    )
    return page, (1 - (1 - 0.5 / levels) ** 2) if levels else 0.0


def _data(explanation):
    """What the page shows, without the arrays, and the arrays."""
    hypotheses, views, arrays, seen = [], [], [], {}
    for number, hypothesis in enumerate(explanation.hypotheses):
        shown = {}
        for name, view in hypothesis.views.items():
            # The encoder reads the same for each hypothesis.
            key = name if name == "encoder" else (name, number)
            if key not in seen:
                seen[key] = len(views)
                views.append(_view(view, arrays))
            shown[name] = seen[key]
        hypotheses.append({"answer": hypothesis.answer, "score": hypothesis.score, "views": shown})
    data = {
        "version": __version__,
        "kind": explanation.kind,
        "model": explanation.model,
        "texts": explanation.texts,
        "hypotheses": hypotheses,
        "views": views,
    }
    return data, arrays


def _view(view, arrays):
    """A view as a dict, in which arrays are indices."""
    arrays.append(view.weights)
    entry = {
        "name": view.name,
        "title": _TITLES[view.name],
        "axes": {"keys": AXES[view.name][0], "queries": AXES[view.name][1]},
        "queries": vars(view.queries),
        "keys": vars(view.keys),
        "weights": len(arrays) - 1,
        "entropy": np.round(attention_entropy(view.weights).mean(axis=-1), 3).tolist(),
    }
    if view.is_self_attention:
        arrays.append(attention_rollout(view.weights).astype("float32"))
        entry["rollout"] = len(arrays) - 1
    return entry


def _pack(arrays):
    """All arrays as compressed bytes: float32 if there is room, otherwise in as many levels.

    Levels are those of the square root, so that small weights keep more digits.
    """
    values = np.concatenate([array.ravel() for array in arrays]).astype("<f4")
    for levels in (0, *_LEVELS):
        steps = np.rint(np.sqrt(values.clip(0, 1)) * levels) if levels else values
        compress = zlib.compressobj(9, wbits=-15)  # "deflate-raw" of browsers
        packed = compress.compress(steps.astype(_type_of(levels)).tobytes()) + compress.flush()
        if len(packed) <= _MOST_BYTES:
            break
    return packed, levels


def _type_of(levels):
    """The type of packed numbers."""
    if not levels:
        return "<f4"
    return "u1" if levels < 256 else "<u2"
