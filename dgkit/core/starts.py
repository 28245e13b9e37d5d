"""How the generator's layers start: as the original's do, by the defaults of TensorFlow 1.

`optimise.glorot` is that of plain linear layers.
"""

from torch import nn

from dgkit.core.heads import Head


def glorot_blocks(layer: nn.Linear, heads: list[Head]) -> None:
    """`glorot` for one matrix that stands for a linear layer per head: each block has its own fan-out."""
    for block in layer.weight.data.split([head.width for head in heads]):
        nn.init.xavier_uniform_(block)
    nn.init.zeros_(layer.bias)


def start_lstm(lstm: nn.LSTM, forget_bias: float) -> None:
    """One Glorot-uniform matrix for inputs and state, and one bias: zero, but for the forget gate's."""
    units = lstm.hidden_size
    for layer in range(lstm.num_layers):
        weights = [getattr(lstm, f"weight_{part}_l{layer}") for part in ("ih", "hh")]
        bound = (6 / (sum(w.shape[1] for w in weights) + 4 * units)) ** 0.5
        for weight in weights:
            nn.init.uniform_(weight, -bound, bound)
        bias, unused = (getattr(lstm, f"bias_{part}_l{layer}") for part in ("ih", "hh"))
        nn.init.zeros_(bias)
        nn.init.constant_(bias[units : 2 * units], forget_bias)  # torch's gate order: input, forget, cell, output
        nn.init.zeros_(unused).requires_grad_(False)
