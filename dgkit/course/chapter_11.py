"""Chapter 11: its recorded runs on real data (real.py, levers.py, published.py), and the checks of its exercises."""

from typing import Any

import numpy as np

from dgkit import simulate
from dgkit.course import levers, published, real
from dgkit.course.exercise import Wrong, exercise, number
from dgkit.course.questions import Prediction, Quiz

# --- recorded runs ---

EXPERIMENTS = real.EXPERIMENTS | levers.EXPERIMENTS | published.EXPERIMENTS

# --- questions ---

PREDICTION = Prediction(
    "A surrogate learns nothing: it takes a page's spectrum and draws the phases. Beside DoppelGANger's, trained to "
    "its end, its autocorrelation error is",
    ("larger", "about the same", "smaller"),
    "c",
    "Autocorrelation and spectrum are two forms of the same numbers: whoever copies the spectra has the curve. So the "
    "paper's measure shows that a model has learned at least the spectrum, and not that it has learned more.",
)
QUIZZES = {
    "11.a": Quiz(
        "A model's autocorrelation error is what chance leaves. What has it learned?",
        "b",
        (
            (
                "Everything that real pages have.",
                "On pages a surrogate comes nearer to that than the paper's models do, and knows no direction of time.",
            ),
            ("At least the spectrum.", "That is all the measure can say. Ask another one for bursts and conditionals."),
            ("Nothing.", "It may have learned much more. This number does not tell."),
        ),
    ),
    "11.b": Quiz(
        "The loss of flow matching falls and does not end at 0. Why?",
        "c",
        (
            ("It was not trained for long enough.", "It would not reach 0 at any time."),
            ("The network is too small.", "The best network there is would have a loss, too."),
            (
                "Many lines go through a point, and it learns their mean.",
                "Which of them it was nobody can know from the point; what is left is their spread.",
            ),
        ),
    ),
}


# --- exercises ---

LINES = ("values", "level", "autocorrelation", "rises", "shape", "effect")
FAULTS = (
    "none",
    "days backwards",
    "attributes of another page",
    "each page twice",
    "each day the median of three",
)


@exercise("11.1")
def _unseen(value: Any) -> str:
    if not isinstance(value, str) or value not in FAULTS:
        raise Wrong(f"Give the name of a fault, in quotes: one of {', '.join(map(repr, FAULTS))}.")
    if value == "none":
        raise Wrong("That no line finds a fault there is no fault of the report's.")
    if value != "each page twice":
        raise Wrong("Choose it above: which lines are beyond the threshold? Ask what no line compares with what.")
    return "Each line compares generated with real pages, and none compares generated pages with each other."


@exercise("11.2")
def _direction_of_time(value: Any) -> str:
    known = isinstance(value, list | tuple | set) and all(isinstance(name, str) and name in LINES for name in value)
    if not known or not value:
        raise Wrong(f"Give a list of names, of these: {', '.join(map(repr, LINES))}.")
    if {"rises", "shape"} & set(value):
        raise Wrong("What rises has become what falls, and a peak on day 20 is 20 days before the end now.")
    if len(set(value)) < 4:
        raise Wrong(
            "There are more. What is made of a page's values without their order, or of pairs of days so far apart?"
        )
    return "Of pairs of days only how far apart they are counts, and not which of them comes first."


@exercise("11.3")
def _mean_of_lines(value: Any) -> str:
    given = number(value)
    if abs(given) in (4.0, 8.0):
        raise Wrong("That is the velocity of one of the lines. At x = 1 the network is shown both, equally often.")
    if abs(given) > 1e-9:
        raise Wrong("What are the velocities of the two lines, data less noise? Least squares learns their mean.")
    return "4 and -4, and their mean is 0. So the ways that are followed are not the lines: they do not cross."


@exercise("11.4")
def _by_guessing(value: Any) -> str:
    if abs(number(value) - 1.6) > 0.02:
        raise Wrong("Of 400 guesses 200 are right on average; the standard deviation is the root of 400 x 0.5 x 0.5.")
    return "1.6: of guessers too, one in twenty is right as often. With ten times as many pages it would be 5."


@exercise("11.5")
def _backwards(value: Any) -> str:
    if not callable(value) or isinstance(value, type):
        raise Wrong("Give the function itself, without brackets: answer = my_question.")
    forwards = simulate.broadband(500, seed=5).traffic_bytes.transpose("sample", "time").values.astype(np.float64)
    try:
        asked = [np.asarray(value(one.copy()), float) for one in (forwards, forwards[:, ::-1])]
    except Exception as error:
        raise Wrong(f"Your function fails: {type(error).__name__}: {error}") from error
    if any(one.shape != (500,) or not np.isfinite(one).all() for one in asked):
        raise Wrong("It should return a number for each home, an array of as many as it is given series.")
    first, second = asked[0][:, None], asked[1]
    told = float((first > second).mean() + (first == second).mean() / 2)
    if told < 0.1:
        raise Wrong(
            f"It tells them apart, the wrong way round ({told:.2f}): give the larger number to those that run forwards."
        )
    if told < 0.9:
        raise Wrong(
            f"A home that runs forwards has the larger number in {told:.0%} of the pairs. What is made of values "
            "without their order, or of pairs so far apart, sees nothing. When is it evening, and what rises slowly?"
        )
    return f"In {told:.0%} of the pairs, where the autocorrelation is the same to the last digit. Now it is a line."
