/**
 * The side panel: the chapters with what was passed in each, buttons to open one or to get a fresh
 * copy, and a glossary.
 */
import { ReactWidget } from "@jupyterlab/ui-components";
import React from "react";

import type { Course, IChapter } from "./course";
import { courseIcon } from "./icons";

export interface IActions {
  open: (chapter: IChapter) => void;
  freshCopy: (chapter: IChapter) => void;
  placeMissing: () => void;
}

export class CoursePanel extends ReactWidget {
  /** Said below the heading, and by a screen reader. */
  message = "";

  constructor(
    private course: Course,
    private actions: IActions,
    private shown: () => void,
  ) {
    super();
    this.id = "dgkit-course";
    this.addClass("dgkit-Course");
    this.title.icon = courseIcon;
    this.title.caption = "Course";
    this.node.tabIndex = -1;
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", "Course");
    course.changed.connect(() => this.update());
  }

  say(message: string): void {
    this.message = message;
    this.update();
  }

  protected onAfterShow(): void {
    this.shown();
  }

  protected async onActivateRequest(): Promise<void> {
    await this.renderPromise; // React draws later than it is told to
    (this.node.querySelector("button") ?? this.node).focus();
  }

  protected render(): JSX.Element {
    const { chapters, folder, glossary, known } = this.course;
    if (!known) {
      return (
        <>
          <h2>GANs for time series</h2>
          <p role="status">{this.message || "Looking for the chapters …"}</p>
        </>
      );
    }
    const minutes = chapters.reduce((sum, chapter) => sum + chapter.minutes, 0);
    const exercises = chapters.reduce((sum, chapter) => sum + chapter.exercises.length, 0);
    const passed = chapters.reduce((sum, chapter) => sum + this.course.passedIn(chapter), 0);
    const missing = chapters.some((chapter) => !this.course.has(chapter));
    return (
      <>
        <h2>GANs for time series</h2>
        {exercises > 0 && (
          <Progress name="Exercises passed in all" passed={passed} exercises={exercises} />
        )}
        <p className="dgkit-Course-note">
          {chapters.length} chapters, about {duration(minutes)}
          {folder !== null && (
            <>
              , in <code>{folder || "/"}</code>
            </>
          )}
        </p>
        {missing && (
          <div className="dgkit-Course-place">
            <p>
              {folder === null ? "There are no chapters" : "Some chapters are not"} here yet. Copies
              go to <code>{this.course.target || "/"}</code> and overwrite nothing.
            </p>
            <button type="button" onClick={this.actions.placeMissing}>
              {folder === null ? "Place all chapters" : "Place the missing ones"}
            </button>
          </div>
        )}
        <p role="status" className="dgkit-Course-message">
          {this.message}
        </p>
        <ol>{chapters.map((chapter) => this.renderChapter(chapter))}</ol>
        {glossary.length > 0 && (
          <details className="dgkit-Course-glossary">
            <summary>Glossary, {glossary.length} terms</summary>
            <dl>
              {glossary.map(({ term, means, chapter }) => (
                <React.Fragment key={term}>
                  <dt>
                    {term} <span className="dgkit-Course-note">chapter {chapter}</span>
                  </dt>
                  <dd>{means}</dd>
                </React.Fragment>
              ))}
            </dl>
          </details>
        )}
      </>
    );
  }

  private renderChapter(chapter: IChapter): JSX.Element {
    const here = this.course.has(chapter);
    const passed = this.course.passedIn(chapter);
    const named = `chapter ${chapter.number}, ${chapter.title}`;
    const open = here ? "Open" : "Place a copy";
    return (
      <li key={chapter.file}>
        <h3>
          <span className="dgkit-Course-number">{chapter.number}</span> {chapter.title}
        </h3>
        <p>{chapter.question}</p>
        <p className="dgkit-Course-note">about {duration(chapter.minutes)}</p>
        {chapter.exercises.length > 0 && (
          <Progress
            name={`Exercises passed in ${named}`}
            passed={passed}
            exercises={chapter.exercises.length}
          />
        )}
        <div className="dgkit-Course-buttons">
          <button
            type="button"
            aria-label={`${open}: ${named}`}
            onClick={() => this.actions.open(chapter)}
          >
            {open}
          </button>
          {here && (
            <button
              type="button"
              aria-label={`Fresh copy of ${named}`}
              onClick={() => this.actions.freshCopy(chapter)}
            >
              Fresh copy
            </button>
          )}
        </div>
      </li>
    );
  }
}

function Progress(props: { name: string; passed: number; exercises: number }): JSX.Element {
  const { name, passed, exercises } = props;
  const text = `${passed} of ${exercises} exercises passed`;
  return (
    <div className="dgkit-Course-progress">
      <span aria-hidden="true">
        {passed === exercises ? "✓ " : ""}
        {text}
      </span>
      <div
        role="progressbar"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={exercises}
        aria-valuenow={passed}
        aria-valuetext={text}
      >
        <div style={{ width: `${(100 * passed) / exercises}%` }} />
      </div>
    </div>
  );
}

function duration(minutes: number): string {
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 30) / 2} h`;
}
