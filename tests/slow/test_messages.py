"""A thousand messages of a page to every synced trait of every widget."""

import pytest

from tests.unit.test_widget_messages import TRAITS, attack


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in TRAITS}))
def test_every_trait_is_set_rightly_or_not_at_all(kind):
    for name in (name for one, name in TRAITS if one == kind):
        attack(kind, name, seed=2, count=1000)
