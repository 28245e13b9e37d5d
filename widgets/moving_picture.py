"""README's pictures: the studio while it trains, `python widgets/moving_picture.py` (needs Chromium; a minute or two).

At some steps of a real training the studio is written as a page (`to_html`) and photographed in Chromium; the pictures
one after another are studio.gif (at most 1 MB), and the last is studio.png.
"""

import io
import tempfile
from pathlib import Path

from dgkit_widgets import TrainingStudio
from PIL import Image
from playwright.sync_api import sync_playwright

import dgkit as dg
from dev import GET_CHROMIUM, chromium

HERE = Path(__file__).resolve().parent
STEPS = (0, 1, 3, 8, 18, 35, 50, 70, 90, 120, 180, 260, 350, 450, 600)
WIDTH = 860  # of the studio, pixels
COLOURS = 24
FIRST, EACH, LAST = 900, 500, 4000  # milliseconds that pictures are shown


def main() -> None:
    found = chromium()
    if found is None:
        raise SystemExit(f"There is no Chromium to photograph with. {GET_CHROMIUM}")
    studio = TrainingStudio("web", dg.Config(steps=STEPS[-1], sample_len=14, ema=0.99, seed=0))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "studio.html"
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])

        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        pictures = []
        for step in STEPS:
            if step:
                studio.step(step - studio.trainer.step)
            studio.to_html(file)
            page.goto(file.as_uri())
            page.wait_for_selector("body[data-drawn=yes]")
            page.wait_for_timeout(500)  # what is drawn in the next frames
            shot = page.locator("#widget").screenshot(animations="disabled")
            pictures.append(Image.open(io.BytesIO(shot)).convert("RGB"))
            print(f"step {step}", flush=True)
        (HERE / "studio.png").write_bytes(shot)
        browser.close()

    # one palette for all, so that what stays is stored once
    high = max(picture.height for picture in pictures)
    boards = [Image.new("RGB", (picture.width, high), "white") for picture in pictures]
    for board, picture in zip(boards, pictures, strict=True):
        board.paste(picture)
    palette = boards[-1].quantize(COLOURS, dither=Image.Dither.NONE)
    frames = [board.quantize(palette=palette, dither=Image.Dither.NONE) for board in boards]
    times = [FIRST, *[EACH] * (len(frames) - 2), LAST]
    gif = HERE / "studio.gif"
    frames[0].save(gif, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=False)
    print(f"{gif}: {gif.stat().st_size / 2**20:.2f} MB, {frames[0].size}")


if __name__ == "__main__":
    main()
