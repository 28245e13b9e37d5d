"""Data larger than memory, measured in a process of its own."""

from tests.benchmarks.memory import in_fresh_process


def test_evaluate_needs_less_memory_than_the_data_are_large():
    found = in_fresh_process(0.4)  # in memory the same takes 1.4 GB

    assert found["bytes"] > 0.39e9
    assert found["peak"] - found["before"] < found["bytes"]
    assert 0 < found["report"]["value_wasserstein_relative"] < 0.05
