"""Where else the studio runs: Notebook 7 and Voila draw it, and it trains there."""

SETUP = """
import dgkit as dg
from dgkit_widgets import TrainingStudio
config = dg.Config(steps=100, sample_len=8, batch_size=8, lstm_units=8, attribute_units=8, discriminator_units=16)
studio = TrainingStudio("broadband", config)
studio
"""


def test_the_studio_takes_a_step(host):
    host.run(SETUP)

    host.page.wait_for_selector(".dgkit-studio .uplot", timeout=120_000)
    host.page.get_by_role("button", name="One step", exact=True).click()

    host.page.wait_for_selector(".dgkit-progress-text:has-text('step 1 of 100')")
    if host.application == "notebook":  # Voila lets nobody else talk to its kernels
        assert host.python("studio.trainer.step") == 1
    host.shot(f"studio-{host.application}")
