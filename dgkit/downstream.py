"""What a user does with generated data: predict how a job ends, forecast a series, choose between algorithms.

The protocol is that of Lin et al. 2020, Section 5.2 (Figures 12 and 13, Table 5): real data are split into A, which a
model of the data is trained on, and A'; the model generates B and B'. Algorithms trained on B and tested on A' say
whether B can stand in for real data; algorithms trained on B and tested on B' say which of them one would choose who
has generated data alone. `evaluate` runs it, `predict_events` and `forecast` are its two tasks, `rank_correlation` is
Table 5.

The algorithms are scikit-learn's, of the kinds the paper names; its sizes are not known to us. Left out: tuning, which
would have to be done on A, or on B, for each algorithm; and attributes as predictors, which no task here may look at.
"""

import warnings
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np
import xarray as xr

from dgkit import _checks
from dgkit._comparable import check_times, check_units, in_one_form
from dgkit.errors import ConfigError, SchemaError
from dgkit.schema import Variable, lengths, valid_values, validate

SETTINGS = ("real to real", "generated to real", "generated to generated")  # A to A', B to A', B to B'
FEWEST = 10  # series to train on, and to test on
LAYER, EPOCHS = 100, 150  # of the MLPs
LARGEST = 1e140
KERNEL_SAMPLES = 2000  # kernel regression costs the cube of its training samples

# N samples, T steps, P predictors, D draws of the bootstrap, H steps of the forecast


def evaluate(
    train: xr.Dataset,
    test: xr.Dataset,
    generated: Mapping[str, tuple[xr.Dataset, xr.Dataset]],
    *,
    task: str = "events",
    seed: int = 0,
    **options: Any,
) -> xr.Dataset:
    """The protocol of the paper's Figure 12, for several models.

    Parameters
    ----------
    train, test : Dataset
        A and A', such as `dgkit.split` gives. The models must not have seen A'.
    generated : mapping of name to (Dataset, Dataset)
        For each model B and B', two samples of it.
    task : {"events", "forecast"}
        As `predict_events` or `forecast`.
    seed : int
        Of the algorithms, and of the bootstrap.
    **options
        The task's own.

    Returns
    -------
    Dataset, dims (model, setting, classifier or regressor)
        What the task returns, for setting "real to real" (trained on A, tested on A'; the same for every model),
        "generated to real" (B, A') and "generated to generated" (B, B'). A model that lacks a class is scored on what
        it has; `missing_classes` counts those of the test set that the training set lacks.

    Raises
    ------
    ConfigError
        No such task or option, or no model.
    SchemaError
        As the task; generated sets that differ from the real ones in their variables.

    Source
    ------
    Lin et al. 2020, Figure 12.

    Examples
    --------
    >>> import dgkit as dg
    >>> jobs, again = dg.simulate.cluster(600, seed=0), dg.simulate.cluster(600, seed=1)
    >>> scores = evaluate(*dg.split(jobs), {"a perfect model": dg.split(again)})
    >>> scores.accuracy.sel(setting="generated to real", classifier="logistic regression").item() > 0.8
    True
    """
    tasks: dict[str, Callable[..., xr.Dataset]] = {"events": _events, "forecast": _forecast}
    if task not in tasks:
        raise ConfigError(f"task={task!r} is none of {', '.join(map(repr, tasks))}.")
    if not isinstance(generated, Mapping) or not generated:
        raise ConfigError('generated names no model. Give {"DoppelGANger": (B, B\')}, two samples of each.')
    checked: dict[str, Callable[..., xr.Dataset]] = {"events": predict_events, "forecast": forecast}
    known = [name for name in signature(checked[task]).parameters if name not in ("train", "test", "seed")]
    if unknown := [name for name in options if name not in known]:
        raise ConfigError(f"{unknown[0]!r} is no option of the task {task!r}; it has {', '.join(known)}.")
    real = checked[task](train, test, seed=seed, **options)
    models = []
    for name, pair in generated.items():
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ConfigError(f"generated[{name!r}] must be two Datasets, (B, B'): one to train on, one to test on.")
        first, second = pair
        try:
            scores = [
                real,
                tasks[task](first, test, seed=seed, like=train, **options),
                tasks[task](first, second, seed=seed, like=train, **options),
            ]
        except SchemaError as error:
            raise SchemaError(f"{name!r}: {error}") from error
        models.append(xr.concat(scores, xr.Variable("setting", list(SETTINGS))))
    return xr.concat(models, xr.Variable("model", list(generated)))


# --- events ---------------------------------------------------------------------------------------------------------


def predict_events(
    train: xr.Dataset,
    test: xr.Dataset,
    target: str = "end_event",
    *,
    observed: int | None = None,
    seed: int = 0,
    draws: int = 200,
) -> xr.Dataset:
    """How well five classifiers tell a categorical attribute from the series alone.

    Parameters
    ----------
    train, test : Dataset
        Of the same variables.
    target : str
        A categorical attribute. Neither it nor another attribute is a predictor; see `event_inputs`.
    observed : int, optional
        Predict from the first so many steps, of the series that go on after them. Default: from whole series, which
        tells what happened rather than what will.
    seed : int
        Of the MLP's weights and batches, the tree's ties, the 10,000 training samples that quantiles are taken of where
        there are more, and the bootstrap.
    draws : int
        Of the bootstrap.

    Returns
    -------
    Dataset, dims (classifier,)
        `accuracy`; `macro_f1`, the F1 score averaged over the classes of the test set, in which rare ones count as
        much as frequent ones; `majority_accuracy`, what one has who always answers with the most frequent class of
        the training set; `accuracy_draws` (classifier, draw), the accuracy on test samples drawn again with
        replacement, the same for all classifiers; `missing_classes`, how many of the test set's classes are not in
        the training set; `test_samples`.

    Raises
    ------
    SchemaError
        No such categorical attribute; features, units or steps that differ; fewer than 10 series (left); a training
        set of one class; values beyond 1e140 on a linear scale.
    ConfigError
        `observed` or `draws` is not a whole number that can be.

    Source
    ------
    Lin et al. 2020, Section 5.2 and Figure 13: MLP (here of one hidden layer of 100), naive Bayes, logistic regression,
    decision tree and linear SVM. Each gets predictors brought to a normal distribution by the training set's quantiles.

    Examples
    --------
    >>> import dgkit as dg
    >>> scores = predict_events(*dg.split(dg.simulate.cluster(600)))
    >>> bool((scores.accuracy.sel(classifier="MLP") > scores.majority_accuracy).item())
    True
    """
    seed = _checks.seed(seed)
    classes = np.unique(_target(train, target)[_long_enough(train, observed)])
    if len(classes) == 1:
        raise SchemaError(
            f"{target!r} is {classes.tolist()[0]!r} in all {train.sizes['sample']} training samples"
            f"{'' if observed is None else f' longer than {observed} steps'}: there is nothing to tell apart. "
            "Give more samples, or another target."
        )
    return _events(train, test, target, observed=observed, seed=seed, draws=draws)


def event_inputs(ds: xr.Dataset, *, observed: int | None = None, like: xr.Dataset | None = None) -> xr.DataArray:
    """Predictors of a fixed number from series of any length.

    For each continuous feature its mean, standard deviation, smallest, largest, first and last value, slope from first
    to last and mean absolute change from step to step; log10 where its attrs have scale "log". For each categorical one
    the share of every category, and which was the last.

    What is not among them, and why: attributes, since the target is one and the others are its causes or effects; the
    number of steps and anything that padding would tell, since it is the event that ends a series (a job that reaches
    the time limit is killed, by definition); values past the end.

    Parameters
    ----------
    ds : Dataset
    observed : int, optional
        Look at the first so many steps only, and only at series that go on after them.
    like : Dataset, optional
        The training set: its categories, and its smallest positive value as the floor of a log scale. Default: `ds`.

    Returns
    -------
    DataArray, dims (sample, predictor)
        Not scaled: a classifier's scaling belongs to its training.

    Raises
    ------
    SchemaError, ConfigError
        As `predict_events`.

    Examples
    --------
    >>> from dgkit.simulate import cluster
    >>> event_inputs(cluster(20)).sel(predictor="cpu_rate last").dims
    ('sample',)
    """
    schema = validate(ds if like is None else like, training=False)
    _check_features(ds, schema.features, ds if like is None else like)
    keep = _long_enough(ds, observed)
    length = lengths(ds)[keep] if observed is None else np.full(keep.sum(), observed)
    steps = np.arange(ds.sizes["time"])
    columns: dict[str, np.ndarray] = {}
    for variable in schema.features:
        name, values = variable.name, ds[variable.name].values[keep]  # (N, T)
        last = np.take_along_axis(values, length[:, None] - 1, 1)[:, 0]
        if variable.kind == "categorical":  # which may be text in one set, and codes in the other
            categories, values, last = in_one_form(np.array(variable.categories), values, last)
            seen = steps < length[:, None]
            for category in categories:
                columns[f"{name} {category} share"] = ((values == category) & seen).sum(1) / length
                columns[f"{name} {category} last"] = (last == category).astype(float)
            continue
        values = _on_scale(values, variable, like if like is not None else ds)
        masked = np.ma.masked_array(values, steps >= length[:, None])
        first, last = values[:, 0], np.take_along_axis(values, length[:, None] - 1, 1)[:, 0]
        low, high = masked.min(1).filled(), masked.max(1).filled()
        columns |= {
            # exact where a series is constant: round-off depends on the number of steps, and quantiles would enlarge it
            f"{name} mean": np.where(high > low, masked.mean(1), first),
            f"{name} spread": np.where(high > low, masked.std(1), 0.0),
            f"{name} smallest": low,
            f"{name} largest": high,
            f"{name} first": first,
            f"{name} last": last,
            f"{name} slope": (last - first) / np.maximum(length - 1, 1),
            f"{name} change": abs(np.ma.diff(masked, axis=1)).mean(1).filled(0.0) if len(steps) > 1 else 0 * first,
        }
    table = np.stack([np.asarray(column, np.float64) for column in columns.values()], 1)  # (N, P)
    return xr.DataArray(table, {"predictor": list(columns)}, ("sample", "predictor"), name="predictors")


def _events(
    train: xr.Dataset,
    test: xr.Dataset,
    target: str = "end_event",
    *,
    observed: int | None = None,
    seed: int = 0,
    draws: int = 200,
    like: xr.Dataset | None = None,
) -> xr.Dataset:
    """`predict_events`, also from a training set of one class: then every classifier answers with it."""
    from sklearn.metrics import f1_score

    like = train if like is None else like
    inputs, answers = [], []
    for ds in (train, test):
        answers.append(_target(ds, target)[_long_enough(ds, observed)])
        inputs.append(event_inputs(ds, observed=observed, like=like).values)
        _check_enough(len(answers[-1]), "" if observed is None else f" longer than observed={observed}")
    (x, x_test), (y, y_test) = inputs, in_one_form(*answers)
    found, counts = np.unique(y, return_counts=True)
    classes = np.unique(y_test)
    correct, macro_f1 = {}, []
    for name, classifier in _classifiers(len(x), seed).items():
        with warnings.catch_warnings():
            _not_converged_is_fine()
            answer = classifier.fit(x, y).predict(x_test) if len(found) > 1 else np.full(len(y_test), found[0])
        correct[name] = answer == y_test
        macro_f1.append(f1_score(y_test, answer, labels=classes, average="macro", zero_division=0))
    hits = np.stack(list(correct.values()))  # (classifiers, N)
    again = _bootstrap(len(y_test), draws, seed)  # (D, N), how often each sample is drawn
    one = {"units": "1"}
    return xr.Dataset(
        {
            "accuracy": ("classifier", hits.mean(1), {**one, "long_name": "accuracy"}),
            "macro_f1": ("classifier", macro_f1, {**one, "long_name": "F1 score, mean over classes"}),
            "majority_accuracy": (
                (),
                float((y_test == found[counts.argmax()]).mean()),
                {**one, "long_name": "accuracy of the most frequent class"},
            ),
            "accuracy_draws": (("classifier", "draw"), hits @ again.T / len(y_test), {**one, "long_name": "accuracy"}),
            "missing_classes": ((), len(set(classes) - set(found)), {**one, "long_name": "classes never trained on"}),
            "test_samples": ((), len(y_test), {**one, "long_name": "test samples"}),
        },
        {"classifier": list(correct)},
    )


def _classifiers(n: int, seed: int) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer
    from sklearn.svm import LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    algorithms = {
        "MLP": MLPClassifier((LAYER,), max_iter=EPOCHS, random_state=seed % 2**32),
        "naive Bayes": GaussianNB(),
        "logistic regression": LogisticRegression(max_iter=EPOCHS),
        "decision tree": DecisionTreeClassifier(min_samples_leaf=5, random_state=seed % 2**32),
        "linear SVM": LinearSVC(dual=False, random_state=seed % 2**32),
    }
    # of more than 10,000 training samples it draws those whose quantiles it takes
    scale = {"n_quantiles": min(100, n), "output_distribution": "normal", "random_state": seed % 2**32}
    return {name: make_pipeline(QuantileTransformer(**scale), one) for name, one in algorithms.items()}


def _target(ds: xr.Dataset, target: str) -> np.ndarray:
    known = [v.name for v in validate(ds, training=False).attributes if v.kind == "categorical"]
    if target not in known:
        raise SchemaError(
            f"no categorical attribute {target!r}; the dataset has {', '.join(map(repr, known)) or 'none'}."
        )
    return ds[target].values


def _long_enough(ds: xr.Dataset, observed: int | None) -> np.ndarray:
    """Which series go on after `observed` steps; all where it is None."""
    if observed is None:
        return np.ones(ds.sizes["sample"], bool)
    _checks.whole("observed", observed, 1, ds.sizes["time"])
    return lengths(ds) > observed


# --- forecasts ------------------------------------------------------------------------------------------------------


def forecast(
    train: xr.Dataset,
    test: xr.Dataset,
    feature: str | None = None,
    *,
    steps: int | None = None,
    horizon: int | None = None,
    relative: bool = True,
    seed: int = 0,
    draws: int = 200,
) -> xr.Dataset:
    """How well four regressors tell the last steps of a series from those before.

    Parameters
    ----------
    train, test : Dataset
        Of the same variables.
    feature : str, optional
        A continuous feature; default the first. It is taken as log10 where its attrs have scale "log".
    steps : int, optional
        Look at the first so many steps; shorter series are left out. Default: T.
    horizon : int, optional
        How many of them are forecast. Default: one in eleven, which is the paper's 50 of 550 days.
    relative : bool
        Of each series its mean over the steps before the forecast is taken away, from predictors and forecast alike.
        False: R² is then mostly about how far apart the series are, which even a constant forecast of the last step
        tells where sizes span decades.
    seed : int
        Of the MLPs' weights and batches, of the samples that kernel regression is given, and of the bootstrap.
    draws : int
        Of the bootstrap.

    Returns
    -------
    Dataset, dims (regressor,)
        `r2`, the coefficient of determination, averaged over the steps of the forecast: 1 is perfect, 0 no better than
        the test set's mean, below 0 worse; `r2_draws` (regressor, draw), the same for test samples drawn again with
        replacement, the same for all regressors; `test_samples`.

    Raises
    ------
    SchemaError
        No such continuous feature; another unit or other steps; fewer than 10 series (of so many steps); values beyond
        1e140 on a linear scale.
    ConfigError
        `steps`, `horizon` or `draws` is not a whole number that can be.

    Source
    ------
    Lin et al. 2020, Section 5.2 and Appendix D: MLP, linear regression and kernel regression on page views. The MLP is
    here twice, with one hidden layer of 100 and with five: Table 5 has rank correlations for page views that three
    algorithms cannot give. Linear and kernel regression have a little ridge penalty, so that they survive generated
    data of less variety than real ones.

    Examples
    --------
    >>> import dgkit as dg
    >>> forecast(*dg.split(dg.simulate.web(400))).r2.sel(regressor="linear regression").item() > 0.5
    True
    """
    seed = _checks.seed(seed)
    return _forecast(train, test, feature, steps=steps, horizon=horizon, relative=relative, seed=seed, draws=draws)


def _forecast(
    train: xr.Dataset,
    test: xr.Dataset,
    feature: str | None = None,
    *,
    steps: int | None = None,
    horizon: int | None = None,
    relative: bool = True,
    seed: int = 0,
    draws: int = 200,
    like: xr.Dataset | None = None,
) -> xr.Dataset:
    like = train if like is None else like
    schema = validate(like, training=False)
    continuous = [variable for variable in schema.features if variable.kind == "continuous"]
    chosen = [variable for variable in continuous if feature in (None, variable.name)]
    if not chosen:
        known = ", ".join(repr(variable.name) for variable in continuous) or "none"
        raise SchemaError(f"no continuous feature {feature!r}; the dataset has {known}.")
    if schema.time < 2:
        raise SchemaError("the series have 1 step: there is nothing to forecast from.")
    steps = schema.time if steps is None else _checks.whole("steps", steps, 2, schema.time + 1)
    horizon = max(1, round(steps / 11)) if horizon is None else _checks.whole("horizon", horizon, 1, steps)
    before, after = [], []
    for ds in (train, test):
        validate(ds, training=False)
        _check_features(ds, chosen[:1], like)
        whole = lengths(ds) >= steps
        _check_enough(int(whole.sum()), f" of at least {steps} steps")
        values = _on_scale(ds[chosen[0].name].values[whole, :steps], chosen[0], like)  # (N, steps)
        level = values[:, :-horizon].mean(1, keepdims=True) if relative else 0.0
        x, y = np.split(values - level, [steps - horizon], axis=1)
        before.append(x)
        after.append(y)
    (x, x_test), (y, y_test) = before, after
    (x_mean, x_scale), (y_mean, y_scale) = ((z.mean(0), z.std() or 1.0) for z in (x, y))
    x, y = (x - x_mean) / x_scale, (y - y_mean) / y_scale
    errors = {}
    for name, (regressor, most) in _regressors(len(x), seed).items():
        drawn = np.random.default_rng(seed).permutation(len(x))[:most]
        with warnings.catch_warnings():
            _not_converged_is_fine()
            answers = y[drawn] if horizon > 1 else y[drawn, 0]
            answer = regressor.fit(x[drawn], answers).predict((x_test - x_mean) / x_scale)
        errors[name] = (answer.reshape(y_test.shape) * y_scale + y_mean - y_test) ** 2  # (N, H)
    again = _bootstrap(len(y_test), draws, seed)
    every = np.ones((1, len(y_test)))
    names = {"units": "1", "long_name": "R² of the forecast"}
    return xr.Dataset(
        {
            "r2": ("regressor", [_r2(error, y_test, every)[0] for error in errors.values()], names),
            "r2_draws": (("regressor", "draw"), [_r2(error, y_test, again) for error in errors.values()], names),
            "test_samples": ((), len(y_test), {"units": "1", "long_name": "test samples"}),
        },
        {"regressor": list(errors)},
    )


def _regressors(n: int, seed: int) -> dict[str, tuple[Any, int | None]]:
    """Each with the most training samples it is given."""
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor

    held_out = max(0.1, 1.5 / n)  # scikit-learn's tenth, and two of ten series: it stops by no fewer
    mlp = {"max_iter": EPOCHS, "early_stopping": True, "validation_fraction": held_out, "random_state": seed % 2**32}
    return {
        "MLP": (MLPRegressor(hidden_layer_sizes=(LAYER,), **mlp), None),
        "deep MLP": (MLPRegressor(hidden_layer_sizes=(LAYER,) * 5, **mlp), None),
        "linear regression": (Ridge(1.0), None),
        "kernel regression": (KernelRidge(kernel="rbf", alpha=0.1), KERNEL_SAMPLES),
    }


def _r2(error: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over steps of 1 - residual / total sum of squares, for each row of weights (D, N).

    Where all samples agree in a step there is nothing to explain: 1 if that was foretold, else 0 (as scikit-learn).
    """
    near = truth - np.median(truth, axis=0)  # or far from 0 all would seem to agree
    count, power, residual = weights.sum(1, keepdims=True), weights @ near**2, weights @ error  # (D, 1), (D, H) twice
    total = power - (weights @ near) ** 2 / count
    constant = total <= 1e-9 * power
    scores = 1 - residual / np.where(constant, 1, total)
    mean: np.ndarray = np.where(constant, residual <= 1e-9 * (weights @ truth**2), scores).mean(1)
    return mean


# --- the ranking of algorithms --------------------------------------------------------------------------------------


def rank_correlation(real: xr.Dataset, generated: xr.Dataset, *, level: float = 0.95) -> xr.Dataset:
    """Do generated data rank the algorithms as real data do? Spearman's rank correlation of their scores.

    Parameters
    ----------
    real, generated : Dataset
        Scores as `predict_events` or `forecast` return them, with further dims or without:
        ``scores.sel(setting="real to real")`` and ``scores.sel(setting="generated to generated")`` of `evaluate`.
    level : float
        Of the interval.

    Returns
    -------
    Dataset
        `rank_correlation`, in [-1, 1], NaN where all algorithms score the same; `low` and `high`, the interval over
        both test sets drawn again with replacement. It says what chance in the choice of *test samples* does; that of
        training and generation is the spread over seeds. With four or five algorithms it is wide, the wider the closer
        their scores are. Coordinate `undefined_draws`: the share of the draws in which all algorithms of one set score
        the same; the interval is without them.

    Raises
    ------
    SchemaError
        Scores of different algorithms or of different numbers of draws, or none.
    ConfigError
        `level` is not between 0 and 1.

    Source
    ------
    Lin et al. 2020, Table 5.

    Examples
    --------
    >>> accuracy = xr.DataArray([0.9, 0.7, 0.8], dims="classifier")
    >>> scores = xr.Dataset({"accuracy": accuracy, "accuracy_draws": accuracy.expand_dims(draw=1)})
    >>> rank_correlation(scores, scores + 0.05).rank_correlation.item()
    1.0
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise ConfigError(f"level={level!r} must be a number between 0 and 1, such as 0.95.")
    scores = {"classifier": "accuracy", "regressor": "r2"}
    dim = next((dim for dim in scores if all(dim in ds.dims and scores[dim] in ds for ds in (real, generated))), None)
    if dim is None:
        raise SchemaError("these are not scores of the same task. Give what predict_events or forecast returns.")
    if real[dim].values.tolist() != generated[dim].values.tolist():
        raise SchemaError(f"the scores are of different {dim}s: {real[dim].values} and {generated[dim].values}.")
    numbers = [ds[f"{scores[dim]}_draws"].sizes["draw"] for ds in (real, generated)]
    if numbers[0] != numbers[1]:
        raise SchemaError(
            f"the scores have {numbers[0]} and {numbers[1]} draws of the bootstrap. Score both with one draws=...."
        )

    def correlation(name: str) -> xr.DataArray:
        pair = [ds[name].drop_vars("setting", errors="ignore") for ds in (real, generated)]
        coefficients: xr.DataArray = xr.apply_ufunc(_spearman, *pair, input_core_dims=[[dim], [dim]])
        return coefficients

    drawn = correlation(f"{scores[dim]}_draws")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # no ranking in any draw: NaN
        low, high = (drawn.quantile(q, "draw").drop_vars("quantile") for q in ((1 - level) / 2, (1 + level) / 2))
    names = {"units": "1", "long_name": "rank correlation"}
    ranked = xr.Dataset({"rank_correlation": correlation(scores[dim]), "low": low, "high": high})
    for name in ranked:
        ranked[name].attrs = dict(names)
    undefined = drawn.isnull().mean("draw").assign_attrs(units="1", long_name="draws without a ranking")
    return ranked.assign_coords(undefined_draws=undefined)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Along the last axis: Pearson's correlation of the ranks, ties given their mean rank."""
    from scipy.stats import rankdata

    a, b = (ranks - ranks.mean(-1, keepdims=True) for ranks in (rankdata(a, axis=-1), rankdata(b, axis=-1)))
    norm = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    correlation: np.ndarray = np.divide((a * b).sum(-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)
    return correlation


# --- what both tasks need -------------------------------------------------------------------------------------------


def _on_scale(values: np.ndarray, variable: Variable, like: xr.Dataset) -> np.ndarray:
    """As float64; log10 where the variable's attrs say so, raised to the smallest positive value in `like`."""
    values = values.astype(np.float64)
    if variable.attrs.get("scale") != "log":
        if np.nanmax(abs(values), initial=0.0) > LARGEST:
            raise SchemaError(
                f"{variable.name!r} has values beyond {LARGEST:g}, whose squares no float holds. Give it in another "
                "unit, or with attrs['scale'] = 'log' where all are above 0."
            )
        return values
    known = np.concatenate(list(valid_values(like[variable.name], lengths(like)))).astype(np.float64)
    floor = known[known > 0].min(initial=np.inf)
    return np.log10(np.maximum(values, floor)) if np.isfinite(floor) else values


def _bootstrap(n: int, draws: int, seed: int) -> np.ndarray:
    """How often each of n samples is drawn in n draws with replacement, (D, N)."""
    _checks.whole("draws", draws, 1)
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)


def _not_converged_is_fine() -> None:
    """A fixed number of epochs is part of the protocol: equal for all training sets, whatever they hold."""
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)


def _check_features(ds: xr.Dataset, features: Any, like: xr.Dataset) -> None:
    found = {variable.name: variable.kind for variable in validate(ds, training=False).features}
    for variable in features:
        if found.get(variable.name) != variable.kind:
            raise SchemaError(
                f"there is no {variable.kind} feature {variable.name!r}, which the training set has; found "
                f"{', '.join(map(repr, found))}."
            )
        check_units(variable.name, variable.attrs, ds[variable.name].attrs, ("the training set", "the other"))
    check_times(like, ds, ("the training set", "the other"))


def _check_enough(n: int, which: str) -> None:
    if n < FEWEST:
        raise SchemaError(f"{n} series{which}: at least {FEWEST} are needed to train on, and to test on.")
