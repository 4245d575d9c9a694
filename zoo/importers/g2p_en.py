"""The English grapheme-to-phoneme model of the package g2p-en (Park and Kim), from its npz file.

    pip install g2p-en            # Apache-2.0; checkpoint20.npz is in the package

A GRU encoder-decoder without attention, trained on the CMU Pronouncing Dictionary. The
ids of our model differ: 4 to 29 are the letters a to z; 4 to 73 are the 70 phonemes, with
stress, in alphabetical order.
"""

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.zoo.importers.npz_file import read_npz
from attention_zoo.zoo.rnn_attention import RNNAttention
from attention_zoo.zoo.weights import as_float32

_PHONEMES = (
    "AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D DH "
    "EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG "
    "OW0 OW1 OW2 OY0 OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)
PHONEMES = _PHONEMES.split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"

# Rows of its letter table, in our order: padding, unknown, start, end, then the letters. It has
# no start.
_SOURCE_ROWS = [0, 1, 0, 2, *range(3, 3 + len(LETTERS))]
_WIDTH = 256
_GATES = {
    "w_ih": (3 * _WIDTH, _WIDTH),
    "w_hh": (3 * _WIDTH, _WIDTH),
    "b_ih": (3 * _WIDTH,),
    "b_hh": (3 * _WIDTH,),
}
_SHAPES = {
    "enc_emb": (3 + len(LETTERS), _WIDTH),
    "dec_emb": (4 + len(PHONEMES), _WIDTH),
    "fc_w": (4 + len(PHONEMES), _WIDTH),
    "fc_b": (4 + len(PHONEMES),),
    **{f"{side}_{name}": shape for side in ("enc", "dec") for name, shape in _GATES.items()},
}


def import_g2p_en(path):
    """Builds a model with g2p-en's weights.

    Args:
        path: its `checkpoint20.npz`.

    Returns:
        An `RNNAttention` without attention: letters in, phonemes out.

    Raises:
        UserError: if the file cannot be read; or listing all arrays that are missing,
            unexpected or of another shape.
    """
    arrays = _read(path)
    model = RNNAttention(
        len(_SOURCE_ROWS),
        4 + len(PHONEMES),
        width=_WIDTH,
        bidirectional="none",
        initial_state="last",
        attention="none",
        dropout=0.0,
        max_length=32,
    )
    model.source_embedding.table.assign(arrays["enc_emb"][_SOURCE_ROWS])
    model.target_embedding.table.assign(arrays["dec_emb"])
    for side, layer in (("enc", model.encoder.forward_layers[0]), ("dec", model.decoder.layers[0])):
        layer.kernel.assign(_reorder(arrays[f"{side}_w_ih"].T))
        layer.recurrent_kernel.assign(_reorder(arrays[f"{side}_w_hh"].T))
        layer.bias.assign(_reorder(np.stack([arrays[f"{side}_b_ih"], arrays[f"{side}_b_hh"]])))
    model.output_projection.kernel.assign(arrays["fc_w"].T)
    model.output_projection.bias.assign(arrays["fc_b"])
    return model


def _reorder(array):
    """Reorders gates from torch's reset, update, new to Keras's update, reset, new."""
    reset, update, new = np.split(array, 3, axis=1)
    return np.concatenate([update, reset, new], axis=1)


def _read(path):
    arrays = read_npz(path)
    problems = [f"missing: {name}" for name in _SHAPES.keys() - arrays.keys()]
    problems += [f"unexpected: {name}" for name in arrays.keys() - _SHAPES.keys()]
    problems += [
        f"{name}: shape {arrays[name].shape}, expected {_SHAPES[name]}"
        for name in _SHAPES.keys() & arrays.keys()
        if arrays[name].shape != _SHAPES[name]
    ]
    if problems:
        raise UserError(f"{path} is not the checkpoint of g2p-en: {'; '.join(sorted(problems))}")
    return {name: as_float32(array, f"{path}: {name}") for name, array in arrays.items()}
