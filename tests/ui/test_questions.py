"""Predictions and quizzes of the chapters in the browser: by mouse and by keyboard, without a fault that axe finds."""

import json

OUTPUT = ".jp-OutputArea"


def test_a_prediction_is_kept_when_it_is_chosen_and_is_there_again(lab):
    lab.run("from dgkit import course", "course.predict('04')", "course.recall('04')")
    lab.page.get_by_role("radio").nth(2).wait_for()
    chosen = lab.page.locator("input[type=radio]:checked").count()

    lab.page.get_by_role("radio").nth(2).click()
    lab.page.get_by_text("Kept. It is taken up at the chapter's end.").wait_for()
    kept = json.loads((lab.server.root / "dgkit-progress.json").read_text())
    lab.run_all()
    lab.page.get_by_text("Kept from before").wait_for()

    assert chosen == 0 and kept == {"passed": [], "predicted": {"04": "c"}}
    assert "You predicted (c)" in lab.outputs()
    assert lab.page.locator("input[type=radio]:checked").count() == 1
    lab.shot("prediction")
    assert lab.violations(OUTPUT) == []
    (lab.server.root / "dgkit-progress.json").unlink()


def test_a_quiz_says_why_when_a_choice_is_opened_by_keyboard(lab):
    lab.run("from dgkit import course", "course.quiz('04.a')")
    choices = lab.page.locator(f"{OUTPUT} summary")
    choices.first.wait_for()
    shown = lab.page.get_by_text("Shuffle one column").is_visible()

    choices.nth(1).focus()
    lab.page.keyboard.press("Enter")
    lab.page.get_by_text("Shuffle one column").wait_for()
    choices.nth(0).click()
    lab.page.get_by_text("say nothing of what goes with what").wait_for()
    lab.shot("quiz")

    assert not shown
    for theme in ("Light", "Dark"):
        lab.theme(f"JupyterLab {theme}")
        assert lab.violations(OUTPUT) == []
