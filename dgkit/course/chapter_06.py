"""The questions and exercises of chapter 06; its recorded runs are those of 05."""

from itertools import islice, pairwise, permutations
from typing import Any

import numpy as np

from dgkit import simulate
from dgkit.course.exercise import Wrong, exercise, number
from dgkit.course.questions import Prediction, Quiz
from dgkit.datasets import open_dataset, split

PREDICTION = Prediction(
    "Will the models that rank algorithms as real data do be those whose data teach well?",
    ("yes: what is like real data does both", "no: a model may rank well and teach nothing"),
    "b",
    "On pages RNN orders the four regressors perfectly for every seed, and teaches nothing (R² below 0); "
    "DoppelGANger's pages teach best, and it ranks perfectly for no seed.",
)
QUIZZES = {
    "06.a": Quiz(
        'A report says: "classifiers trained on our generated jobs reach 85 % of the real accuracy." '
        "What do you ask first?",
        "b",
        (
            ("Which classifier it was.", "That matters too, but the number may mean nothing for any classifier."),
            (
                "How accurate it is to name the most frequent end for every job.",
                "Where nearly three of four jobs finish, that alone is most of the real accuracy, without any model.",
            ),
            ("How many jobs were generated.", "As many as one likes; more of the same teaches no more."),
        ),
    ),
    "06.b": Quiz(
        "Trained and tested on generated data (B and B'), a forecast is nearly perfect. On real data it fails. Why?",
        "c",
        (
            ("The forecast remembers B.", "It was tested on B', another draw."),
            ("There are too few generated series.", "Then it would fail on B' as well."),
            (
                "The generated series are too regular.",
                "With next to no innovation each step follows from those before it; here every algorithm finds how. "
                "Real series have chance in them.",
            ),
        ),
    ),
}


@exercise("06.1")
def _for_nothing(value: Any) -> str:
    a_ = split(open_dataset("cluster"), 0.5, seed=0)[1]
    share, kinds = float((a_.end_event == "FINISH").mean()), len(set(a_.end_event.values.tolist()))
    of_finish, given = 2 * share / (1 + share), number(value)  # precision is the share, recall is 1
    if abs(given - share) < 0.01:
        raise Wrong("That is its accuracy, and its precision. What is its recall, and what of the other ends?")
    if abs(given - of_finish) < 0.01:
        raise Wrong(f"That is the F1 of FINISH. Macro-F1 is the mean over all {kinds} kinds of end.")
    if abs(given - of_finish / kinds) > 0.005:
        raise Wrong(
            "Of all the jobs said to finish, which share does? That is the precision. Recall: of those that do."
        )
    return (
        f"{of_finish:.2f} for FINISH, 0 for the rest: {of_finish / kinds:.2f}. Here nothing learned looks like nothing."
    )


@exercise("06.2")
def _values(value: Any) -> str:
    places = np.arange(3)
    truth = sorted({round(float(np.corrcoef(places, order)[0, 1]), 6) for order in permutations(places)})
    try:
        given = sorted({round(float(one), 2) for one in islice(value, 1000)})
    except (TypeError, ValueError) as error:
        raise Wrong("Give the numbers as a list or a set.") from error
    if given != [round(one, 2) for one in truth]:
        raise Wrong("There are six orders of three algorithms. Correlate each with 1, 2, 3.")
    return f"{', '.join(f'{one:g}' for one in truth)}: chance alone gives 1 in a sixth of the cases."


REAL = (0.80, 0.79, 0.60, 0.59, 0.58)  # of 06.3


@exercise("06.3")
def _good_ranks_bad_choice(value: Any) -> str:
    try:
        given = [number(one) for one in islice(value, 6)]
    except TypeError as error:
        raise Wrong("Give five numbers, in a list.") from error
    if len(given) != len(REAL) or any(a == b for a, b in pairwise(sorted(given))):
        raise Wrong("Give five numbers, all different, in the order of the real ones.")
    place, real = np.argsort(np.argsort(given)), np.argsort(np.argsort(REAL))
    ranks = float(np.corrcoef(place, real)[0, 1])
    if ranks < 0.6 - 1e-9:
        raise Wrong(f"The rank correlation is {ranks:.1f}. Move fewer algorithms, or by fewer places.")
    lost = REAL[0] - REAL[int(np.argmax(given))]
    if lost < REAL[0] - REAL[2] - 1e-9:
        raise Wrong(
            f"Whoever takes the best of yours loses {lost:.2f}. Put another one first and leave the rest in order."
        )
    return f"A rank correlation of {ranks:.1f}, and the choice is worse by {lost:.2f}. Ranks do not say what they cost."


@exercise("06.4")
def _without_a_model(value: Any) -> str:
    if not callable(value) or isinstance(value, type):
        raise Wrong("Give the function itself, without brackets: answer = my_forecast.")
    traffic = simulate.broadband(1000, seed=5).traffic_bytes.transpose("sample", "time").values.astype(np.float64)
    traffic /= traffic[:, :48].mean(1, keepdims=True)
    past, future = traffic[:, :48], traffic[:, 48:]
    try:
        given = np.asarray(value(past.copy()), float)
    except Exception as error:
        raise Wrong(f"Your function fails: {type(error).__name__}: {error}") from error
    if given.shape != future.shape or not np.isfinite(given).all():
        raise Wrong(f"It should return the last eight steps of each home, {future.shape}; it returns {given.shape}.")
    found, yesterday = (_explained(one, future) for one in (given, np.tile(past[:, -4:], 2)))
    if found < 0.25:
        raise Wrong(
            f'On homes that you do not have it reaches an R² of {found:.2f}; "as on the day before" reaches '
            f"{yesterday:.2f}. One day has chance in it that does not come again. How is it made smaller?"
        )
    return (
        f'R² {found:.2f}, where "as on the day before" has {yesterday:.2f}. A forecast that was learned from generated '
        "homes should be held against this one: it costs nothing, too."
    )


def _explained(forecast: np.ndarray, truth: np.ndarray) -> float:
    return float(1 - np.square(truth - forecast).sum() / np.square(truth - truth.mean()).sum())
