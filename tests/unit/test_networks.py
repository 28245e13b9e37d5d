"""The networks and losses against independent calculations, at each place where ports of the original went wrong."""

import numpy as np
import pytest
import torch
from torch import nn

from dgkit.core.averages import average_share
from dgkit.core.config import Config
from dgkit.core.heads import FLAG, Head, activate, harden
from dgkit.core.losses import critic_loss, generator_loss, input_gradient
from dgkit.core.networks import AttributeGenerator, Discriminator, Generator, Noise
from dgkit.core.optimise import Adam, descend


class Layout:
    """The part of an encoder that the generator reads: two categorical attributes, one feature, min/max."""

    attribute_heads = (Head("domain", 3, "softmax"), Head("size", 1, "tanh"))
    minmax_heads = (Head("mid-range", 1, "tanh"), Head("half-range", 1, "sigmoid"))
    feature_heads = (Head("views", 1, "tanh"), FLAG)
    passes = 4


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return Generator(Layout(), Config(sample_len=3, attribute_units=8, lstm_units=6)).double()


def double(noise: Noise) -> Noise:
    return Noise(*(part.double() for part in noise))


def draw(generator, n=5, seed=0) -> Noise:
    return double(generator.draw(n, torch.Generator().manual_seed(seed)))


@pytest.fixture
def critic():
    torch.manual_seed(1)
    return Discriminator(7, units=11, layers=5).double()


def batches(n=6, width=7):
    rng = torch.Generator().manual_seed(2)
    return (torch.randn(n, width, generator=rng, dtype=torch.float64) for _ in range(2))


def loop_penalty(critic, real, fake, alpha):
    """The penalty sample by sample, by automatic differentiation of the score alone."""
    penalties = []
    for i in range(len(real)):
        x = (alpha[i] * fake[i] + (1 - alpha[i]) * real[i]).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x[None])[0], x, create_graph=True)
        penalties.append(((gradient.square().sum() + 1e-8).sqrt() - 1) ** 2)
    return torch.stack(penalties).mean()


def test_penalty_is_the_mean_of_per_sample_penalties_and_so_are_its_weight_gradients(critic):
    real, fake = batches()
    alpha = torch.rand(6, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    parameters = list(critic.parameters())

    got = critic_loss(critic, real, fake, alpha, weight=10.0)
    expected_penalty = loop_penalty(critic, real, fake, alpha)
    expected = critic(fake).mean() - critic(real).mean() + 10 * expected_penalty

    assert got.penalty.item() == pytest.approx(expected_penalty.item(), rel=1e-12)
    assert got.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for a, b in zip(torch.autograd.grad(got.loss, parameters), torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_penalty_is_zero_for_unit_slopes_whatever_the_batch_size():
    critic = Discriminator(1, units=1, layers=2).double()  # D(x) = relu(x) for positive x: slope 1
    for layer in critic.layers:
        torch.nn.init.ones_(layer.weight)
    x = torch.linspace(1, 2, 100, dtype=torch.float64)[:, None]

    penalty = critic_loss(critic, x, x + 1, torch.full((100, 1), 0.5, dtype=torch.float64), 10.0).penalty

    assert penalty.item() == pytest.approx(0, abs=1e-12)  # a norm over the whole batch would give (10 - 1)^2 = 81


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_interpolation_is_between_real_and_fake_with_one_coefficient_a_sample(critic, end):
    real, fake = batches()
    alpha = torch.full((6, 1), 0.5, dtype=torch.float64)
    alpha[2] = end
    expected = loop_penalty(critic, real, fake, alpha)

    assert critic_loss(critic, real, fake, alpha, 10.0).penalty.item() == pytest.approx(expected.item(), rel=1e-12)


def test_trainer_draws_interpolation_coefficients_uniformly_from_zero_to_one(tiny_trainer):
    alpha = torch.cat([tiny_trainer.draws.alpha(tiny_trainer.config.batch_size) for _ in range(400)]).numpy()

    assert 0 <= alpha.min() < 0.02 and 0.98 < alpha.max() < 1
    assert alpha.mean() == pytest.approx(0.5, abs=0.02)
    assert alpha.std() == pytest.approx(np.sqrt(1 / 12), abs=0.02)


def test_input_gradient_equals_automatic_differentiation(critic):
    x, _ = batches()
    x.requires_grad_()
    (expected,) = torch.autograd.grad(critic(x).sum(), x)

    torch.testing.assert_close(input_gradient(critic, critic.layers[0](x)), expected, rtol=1e-12, atol=1e-14)


def test_generator_loss_is_minus_the_mean_score(critic):
    _, fake = batches()

    assert generator_loss(critic, fake).item() == pytest.approx(-np.mean([critic(x[None]).item() for x in fake]))


def test_batch_norm_keeps_nine_tenths_of_its_running_statistics():
    torch.manual_seed(0)
    net = AttributeGenerator(2, [Head("x", 1, "tanh")], units=4, layers=2)
    linear, _, norm = net.hidden
    x = torch.randn(50, 2)
    hidden = torch.relu(linear(x)).detach()

    net(x)

    torch.testing.assert_close(norm.running_mean, 0.1 * hidden.mean(0))
    torch.testing.assert_close(norm.running_var, 0.9 * torch.ones(4) + 0.1 * hidden.var(0))


def test_no_gradient_flows_from_features_or_minmax_into_what_they_are_conditioned_on(generator):
    made = generator(draw(generator))

    for output, blind in ((made.features, ("attribute", "minmax")), (made.minmax, ("attribute", "feature"))):
        wanted = [p for p in generator.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(output.square().sum(), wanted, allow_unused=True, retain_graph=True)
        by_part: dict[str, list] = {}
        for (name, _), gradient in zip(
            ((n, p) for n, p in generator.named_parameters() if p.requires_grad), gradients, strict=True
        ):
            by_part.setdefault(name.split(".")[0], []).append(gradient)
        for part, found in by_part.items():
            if part in blind:
                assert all(g is None for g in found)
            else:
                assert any(g is not None and g.abs().sum() > 0 for g in found)


def test_attributes_are_soft_for_the_discriminator_and_one_hot_for_the_generators(generator):
    generator.eval()
    noise = draw(generator)
    seen = []
    generator.minmax.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    generator.feature.register_forward_pre_hook(lambda module, args: seen.append(args[0]))

    soft = generator(noise).attributes

    hard = torch.nn.functional.one_hot(soft[:, :3].argmax(1), 3).double()
    assert not torch.equal(soft[:, :3], hard)
    torch.testing.assert_close(seen[0][:, 5:8], hard)  # after 5 numbers of noise
    torch.testing.assert_close(seen[1][:, :3], hard)
    torch.testing.assert_close(seen[1][:, 3], soft[:, 3])  # a continuous attribute passes as it is


def test_noise_of_attributes_minmax_and_passes_is_not_shared(generator):
    noise = draw(generator, n=400)
    parts = [noise.attribute, noise.minmax, *noise.feature, noise.hidden[0], noise.cell[0]]
    columns = torch.cat(parts, 1).numpy()

    correlation = np.corrcoef(columns.T) - np.eye(columns.shape[1])

    assert np.abs(correlation).max() < 0.25  # about 5 standard errors at 400 samples
    assert columns.std() == pytest.approx(1, abs=0.02)


def test_each_noise_reaches_only_what_follows_it(generator):
    generator.eval()
    noise = draw(generator)
    base = generator(noise, fixed_length=True)

    other = generator(noise._replace(minmax=noise.minmax + 1), fixed_length=True)
    assert torch.equal(other.attributes, base.attributes) and not torch.equal(other.minmax, base.minmax)

    later = noise.feature.clone()
    later[2] += 1  # the third pass: steps 6, 7, 8
    changed = (generator(noise._replace(feature=later), fixed_length=True).features != base.features).any(2).any(0)
    assert changed.tolist() == [False] * 6 + [True] * 6


def test_lstm_starts_from_a_random_state_with_forget_bias_one():
    config = Config(sample_len=3, lstm_units=6)
    torch.manual_seed(0)
    net = Generator(Layout(), config)
    noise = net.draw(2000, torch.Generator().manual_seed(0))

    assert noise.hidden.std().item() == pytest.approx(1, abs=0.05)
    assert noise.cell.std().item() == pytest.approx(1, abs=0.05)
    lstm = net.feature.lstm
    bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach()
    assert bias.tolist() == [0] * 6 + [1] * 6 + [0] * 12
    assert not lstm.bias_hh_l0.requires_grad  # TensorFlow has one bias: two would learn at twice the rate


def test_feature_generator_equals_a_loop_over_passes_in_numpy(generator):
    generator.eval()
    noise = draw(generator, n=2)
    made = generator(noise, fixed_length=True)
    given = torch.cat([harden(made.attributes, Layout.attribute_heads), made.minmax], 1).detach().numpy()
    state = {k: v.numpy() for k, v in generator.feature.state_dict().items()}
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731

    h, c = noise.hidden[0].numpy(), noise.cell[0].numpy()
    steps = []
    for z in noise.feature.numpy():
        gates = np.concatenate([given, z], 1) @ state["lstm.weight_ih_l0"].T + h @ state["lstm.weight_hh_l0"].T
        i, f, g, o = np.split(gates + state["lstm.bias_ih_l0"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out = h @ state["head.weight"].T + state["head.bias"]  # (N, S * F): step after step
        for step in np.split(out, 3, axis=1):
            flags = np.exp(step[:, 1:]) / np.exp(step[:, 1:]).sum(1, keepdims=True)
            steps.append(np.concatenate([np.tanh(step[:, :1]), flags], 1))

    np.testing.assert_allclose(made.features.detach().numpy(), np.stack(steps, 1), rtol=1e-10)


def test_series_are_zeroed_after_the_pass_in_which_they_end_and_lengths_counted_to_the_ending_step(generator):
    with torch.no_grad():
        generator.feature.head.weight.mul_(6)  # decided flags, so that lengths differ
    made = generator(draw(generator, n=200, seed=3))
    full = generator(draw(generator, n=200, seed=3), fixed_length=True)

    found = set()
    for features, free, length in zip(made.features, full.features, made.lengths, strict=True):
        ends = [t for t in range(12) if free[t, 1] < free[t, 2]]  # the flag says (0, 1)
        expected = ends[0] + 1 if ends else 12
        kept = -(-expected // 3) * 3  # whole passes of 3
        assert length == expected
        torch.testing.assert_close(features[:kept], free[:kept], rtol=1e-3, atol=1e-6)
        assert (features[kept:] == 0).all()
        found.add(expected)
    assert len(found) > 3


def test_given_attributes_replace_the_generated_ones(generator):
    given = torch.tensor([[0.0, 1, 0, 0.3]], dtype=torch.float64).repeat(5, 1)

    assert torch.equal(generator(draw(generator), given).attributes, given)


def test_initial_state_zero_ignores_its_noise_and_variable_learns_one():
    for kind in ("zero", "variable"):
        net = Generator(Layout(), Config(sample_len=3, initial_state=kind)).eval()
        noise = net.draw(3, torch.Generator().manual_seed(0))
        same = net(noise._replace(hidden=noise.hidden + 1, cell=noise.cell + 1)).features

        assert torch.equal(net(noise).features, same)
    assert "learned_state" in dict(net.named_parameters())


def test_weights_start_glorot_uniform_with_each_head_its_own_fan_out():
    torch.manual_seed(0)
    layer = AttributeGenerator(5, [Head("a", 200, "softmax"), Head("b", 1, "tanh")], units=100, layers=3).head

    assert layer.weight[:200].abs().max().item() == pytest.approx((6 / 300) ** 0.5, rel=0.01)
    assert layer.weight[200].abs().max().item() == pytest.approx((6 / 101) ** 0.5, rel=0.1)
    assert (layer.bias == 0).all()


def test_activate_and_harden_treat_each_head_on_its_own():
    heads = [Head("a", 2, "softmax"), Head("b", 1, "sigmoid"), Head("c", 1, "tanh")]
    x = torch.tensor([[1.0, 3.0, 0.5, -2.0]])

    y = activate(x, heads)

    expected = [np.exp(1) / (np.exp(1) + np.exp(3)), np.exp(3) / (np.exp(1) + np.exp(3)), 1 / (1 + np.exp(-0.5))]
    np.testing.assert_allclose(y.numpy(), [[*expected, np.tanh(-2)]], rtol=1e-6)
    np.testing.assert_allclose(harden(y, heads).numpy(), [[0, 1, expected[2], np.tanh(-2)]], rtol=1e-6)


def test_a_moving_average_forgets_its_start_and_ends_at_the_decay_asked_for():
    values, average = np.random.default_rng(0).normal(size=100), 1000.0
    for n, value in enumerate(values):
        average += average_share(0.999, n) * (value - average)

    assert average == pytest.approx(values.mean())  # with 0.999 alone it were 904
    assert average_share(0.99, 98) > 0.01 == pytest.approx(average_share(0.99, 10**9))
    assert [average_share(decay, n) for decay, n in ((0.0, 5), (0.5, 1), (0.75, 7))] == [1.0, 0.5, 0.25]


def test_adam_is_torchs_bit_for_bit():
    torch.manual_seed(0)
    mine, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(mine.state_dict())
    ours = Adam(mine, rate=0.01, beta1=0.5)
    reference = torch.optim.Adam(theirs.parameters(), 0.01, (0.5, 0.999), fused=True)
    for _ in range(20):
        inputs = torch.randn(7, 5)
        descend(ours, mine(inputs).square().sum())
        reference.zero_grad()
        theirs(inputs).square().sum().backward()
        reference.step()

    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_parameter_without_a_gradient_stays_and_gets_no_moments():
    network = nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
    before = network[1].weight.clone()

    optimiser = Adam(network)
    descend(optimiser, network[0](torch.ones(1, 2)).sum())

    assert torch.equal(network[1].weight, before)
    assert sorted(optimiser.moments) == [0, 1]
