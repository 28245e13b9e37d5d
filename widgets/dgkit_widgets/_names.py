"""Names of code in words, for labels: `autocorrelation_mse` as "mean squared error of the autocorrelation"."""

import re

ENDS = {
    "_relative": "{}, relative",
    "_decades": "{}, log scale",
    "_weighted": "{}, weighted",
    "_chance": "{} by chance",
    "_low": "{}, lower end",
    "_high": "{}, upper end",
    "_mse": "mean squared error of the {}",
    "_wasserstein": "Wasserstein distance of the {}",
    "_jensen_shannon": "Jensen-Shannon divergence of the {}",
    "_divergence": "divergence of the {}",
}
WORDS = {
    "cpu": "CPU",
    "auc": "area under the ROC curve",
    "tpr": "true positives",
    "fpr": "false positives",
    "percent": "%",
    "r2": "R²",
    "f1": "F1",
    "isp": "provider",
}
VALUES = {
    "model": {
        "doppelganger": "DoppelGANger",
        "naive_gan": "naive GAN",
        "hmm": "hidden Markov model",
        "ar": "autoregression",
        "rnn": "recurrent network",
        "rcgan": "RCGAN",
        "timegan": "TimeGAN",
        "market": "Market Simulator",
    },
    "attack": {"rmia": "RMIA"},
}


def spelled(name: str) -> str:
    """The name of a variable or a dim in words.

    Examples
    --------
    >>> spelled("cpu_rate_wasserstein"), spelled("tpr_at_1_percent_fpr")
    ('Wasserstein distance of the CPU rate', 'true positives at 1 % false positives')
    """
    for end, told in ENDS.items():
        if name.endswith(end) and name != end:
            return told.format(spelled(name.removesuffix(end)))
    return re.sub(r"\b(mid|half) range", r"\1-range", _words(name)) or name


def of_value(dim: str, text: str) -> str:
    """The text of a dim's value in words: models and attacks by their names, no underscores.

    Examples
    --------
    >>> of_value("model", "doppelganger, defaults"), of_value("pair", "cpu_rate and memory")
    ('DoppelGANger, defaults', 'CPU rate and memory')
    """
    first, comma, rest = text.partition(",")
    if first in VALUES.get(dim, {}):
        return VALUES[dim][first] + comma + rest
    return re.sub(r"\w*_\w*", lambda found: _words(found[0]), text)


def is_code(name: str, long_name: str) -> bool:
    """Whether a `long_name` is a variable's name again, or a formula: then it needs spelling.

    Examples
    --------
    >>> is_code("step_mse", "step mse"), is_code("gain", "x[lag:]"), is_code("seconds", "wall time")
    (True, True, False)
    """
    again = long_name.replace(" ", "_") == name
    return again or bool(re.search(r"[_\[\]]|\b(mse|wasserstein|jensen shannon)\b", long_name))


def _words(name: str) -> str:
    return " ".join(WORDS.get(word, word) for word in name.split("_") if word)
