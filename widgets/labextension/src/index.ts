/**
 * The course in JupyterLab: a launcher category with a card a chapter, a side panel, commands.
 *
 * Every part of the application is optional, so that the same file loads in Notebook 7 (no
 * launcher) and in Voila, where it only names the controls of ipywidgets.
 */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin,
} from "@jupyterlab/application";
import { Dialog, ICommandPalette, showDialog, showErrorMessage } from "@jupyterlab/apputils";
import { IStateDB } from "@jupyterlab/statedb";
import type { LabIcon } from "@jupyterlab/ui-components";
import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { Poll } from "@lumino/polling";

import { Course, type IChapter } from "./course";
import { chapterIcon, courseIcon } from "./icons";
import { nameControls } from "./names";
import { CoursePanel } from "./panel";

const CATEGORY = "dgkit: GANs for time series";
const FOLDER_KEY = "dgkit-lab:folder";
const STUDIO = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {
    kernelspec: { name: "python3", display_name: "Python 3 (ipykernel)", language: "python" },
    language_info: { name: "python" },
  },
  cells: [
    {
      id: "studio-00",
      cell_type: "code",
      metadata: {},
      execution_count: null,
      outputs: [],
      source: "from dgkit_widgets import TrainingStudio\n\nTrainingStudio()",
    },
  ],
};

const plugin: JupyterFrontEndPlugin<void> = {
  id: "dgkit-lab:plugin",
  description: "The course of dgkit: launcher cards, side panel, commands",
  autoStart: true,
  optional: [ICommandPalette, ILayoutRestorer, IStateDB],
  activate,
};

export default plugin;

async function activate(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  state: IStateDB | null,
): Promise<void> {
  nameControls(document.body);
  if (!palette) {
    return; // no place where someone could ask for a chapter
  }
  // not imported above: Voila lacks both, and would not load this file
  const [{ ILauncher }, { IDefaultFileBrowser }] = await Promise.all([
    import("@jupyterlab/launcher"),
    import("@jupyterlab/filebrowser"),
  ]);
  const launcher = await app.resolveOptionalService(ILauncher);
  const browser = await app.resolveOptionalService(IDefaultFileBrowser);
  const { commands } = app;
  const course = new Course(app.serviceManager.contents, () => browser?.model.path ?? "");
  const panel = new CoursePanel(
    course,
    {
      open: (chapter) =>
        commands.execute("dgkit:open-chapter", { chapter: chapter.number, place: true }),
      freshCopy: (chapter) => commands.execute("dgkit:fresh-copy", { chapter: chapter.number }),
      placeMissing: () =>
        attempt(async () => {
          const placed = await course.placeMissing();
          const chapters = placed === 1 ? "chapter was" : "chapters were";
          panel.say(`${placed} ${chapters} placed in ${course.target}.`);
          panel.activate(); // its button is gone
        }),
    },
    () => poll.refresh(),
  );
  const poll = new Poll({
    name: "dgkit-lab:course",
    auto: false,
    factory: () => course.refresh(),
    frequency: { interval: 2500, backoff: true, max: 60_000 },
    standby: () => (panel.isVisible ? "when-hidden" : true),
  });

  app.shell.add(panel, "left", { rank: 650, type: "Course" });
  restorer?.add(panel, "dgkit-lab:course");
  app.serviceManager.contents.fileChanged.connect(() => panel.isVisible && poll.refresh());
  browser?.model.pathChanged.connect(() => panel.isVisible && poll.refresh());
  void Promise.all([state?.fetch(FOLDER_KEY), app.restored]).then(([folder]) => {
    if (typeof folder === "string") {
      course.remember(folder);
    }
    course.changed.connect(() => course.folder !== null && state?.save(FOLDER_KEY, course.folder));
    return poll.start();
  });

  const given = async (args: ReadonlyPartialJSONObject): Promise<IChapter | undefined> => {
    await course.ready;
    await course.refresh();
    return course.find(args.chapter);
  };
  const open = (path: string) => commands.execute("docmanager:open", { path });
  const icons = new Map<string, LabIcon>();
  const icon = (args: ReadonlyPartialJSONObject): LabIcon | undefined => {
    const chapter = course.find(args.chapter);
    if (args.isPalette || !chapter) {
      return undefined;
    }
    if (!icons.has(chapter.number)) {
      icons.set(chapter.number, chapterIcon(chapter.number));
    }
    return icons.get(chapter.number);
  };
  const takesChapter = {
    args: {
      type: "object",
      required: ["chapter"],
      properties: {
        chapter: { type: "string", description: 'The number of the chapter, such as "01"' },
      },
    },
  };

  commands.addCommand("dgkit:open-chapter", {
    label: (args) => {
      const chapter = course.find(args.chapter);
      if (!chapter) {
        return "Open a Chapter of the Course";
      }
      return `${args.isPalette ? "Open Chapter " : ""}${chapter.number} ${chapter.title}`;
    },
    caption: (args) => course.find(args.chapter)?.question ?? "",
    icon,
    describedBy: takesChapter,
    execute: (args) =>
      attempt(async () => {
        const chapter = await given(args);
        if (!chapter) {
          return commands.execute("dgkit:open-course");
        }
        if (course.has(chapter)) {
          return open(course.path(chapter));
        }
        return args.place || (await mayPlace(chapter, course.target))
          ? freshCopy(chapter)
          : undefined;
      }),
  });

  commands.addCommand("dgkit:fresh-copy", {
    label: (args) => {
      const chapter = course.find(args.chapter);
      return chapter
        ? `Fresh Copy of Chapter ${chapter.number} ${chapter.title}`
        : "Fresh Copy of a Chapter";
    },
    caption: "The chapter as it was, under a new name; your own work stays",
    describedBy: takesChapter,
    execute: (args) =>
      attempt(async () => {
        const chapter = await given(args);
        return chapter ? freshCopy(chapter) : commands.execute("dgkit:open-course");
      }),
  });

  const freshCopy = async (chapter: IChapter) => {
    const path = await course.place(chapter);
    panel.say(`A fresh copy is in ${path}.`);
    return open(path);
  };

  commands.addCommand("dgkit:open-course", {
    label: "Show the Course",
    caption: "The chapters, and what was passed in each",
    icon: (args) => (args.isPalette ? undefined : courseIcon),
    describedBy: { args: { type: "object", properties: {} } },
    execute: async () => {
      // Wait at least once: the palette, closing, gives the focus back to where it was. What is
      // shown must be known, too: a button that vanishes under the focus would lose it.
      await app.restored;
      await course.refresh().catch((error) => panel.say(String(error.message)));
      app.shell.activateById(panel.id);
    },
  });

  commands.addCommand("dgkit:open-studio", {
    label: "Training Studio",
    caption: "Train a DoppelGANger with all its controls, in a notebook",
    icon: (args) => (args.isPalette ? undefined : courseIcon),
    describedBy: {
      args: {
        type: "object",
        properties: { cwd: { type: "string", description: "The folder of studio.ipynb" } },
      },
    },
    execute: (args) =>
      attempt(async () => {
        const folder = typeof args.cwd === "string" ? args.cwd : course.here;
        return open((await course.ensure(folder, "studio.ipynb", STUDIO)).path);
      }),
  });

  palette.addItem({ command: "dgkit:open-course", category: CATEGORY, args: { isPalette: true } });
  palette.addItem({ command: "dgkit:open-studio", category: CATEGORY, args: { isPalette: true } });
  void course.ready.then(
    () => {
      launcher?.add({ command: "dgkit:open-course", category: CATEGORY, rank: 0 });
      course.chapters.forEach(({ number }, before) => {
        const rank = before + 1;
        launcher?.add({
          command: "dgkit:open-chapter",
          category: CATEGORY,
          rank,
          args: { chapter: number },
        });
        for (const command of ["dgkit:open-chapter", "dgkit:fresh-copy"]) {
          palette.addItem({
            command,
            category: CATEGORY,
            args: { chapter: number, isPalette: true },
          });
        }
      });
      launcher?.add({
        command: "dgkit:open-studio",
        category: CATEGORY,
        rank: course.chapters.length + 1,
      });
    },
    (error) => panel.say(String(error.message)),
  );
}

/** Ask before a card or a command puts a file into the learner's folder. */
async function mayPlace(chapter: IChapter, folder: string): Promise<boolean> {
  const answer = await showDialog({
    title: `Chapter ${chapter.number} is not in this folder`,
    body: `Place a copy of "${chapter.title}" in ${folder || "/"}? Nothing is overwritten.`,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: "Place and open" })],
  });
  return answer.button.accept;
}

/** Run what a command does; what goes wrong is told, not only logged. */
async function attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    await showErrorMessage("The course", error as Error);
    return undefined;
  }
}
