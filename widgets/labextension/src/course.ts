/**
 * The course without a view: which chapters there are, which of them lie in the learner's folder,
 * what was passed there, and copies that overwrite nothing.
 *
 * The list (course.json) and the chapters themselves are served beside this extension's code, so
 * they are there without a network and in an empty folder. Left out: answers and checking, which
 * are dgkit.course's, in the kernel.
 */
import { PageConfig, PathExt, URLExt } from "@jupyterlab/coreutils";
import { type Contents, ServerConnection } from "@jupyterlab/services";
import { Signal } from "@lumino/signaling";

export interface IChapter {
  number: string;
  file: string;
  title: string;
  question: string;
  minutes: number;
  exercises: string[];
}

/** A term of the course, in a line, and the chapter that uses it first. */
export interface ITerm {
  term: string;
  means: string;
  chapter: string;
}

/** Written by dgkit.course beside the notebook whose kernel passed an exercise. */
const PROGRESS = "dgkit-progress.json";
/** Made for the chapters where there are none. */
const OWN_FOLDER = "dgkit-course";

type Listing = Map<string, Contents.IModel>;

export class Course {
  readonly changed = new Signal<this, void>(this);
  /** Resolves when the list of chapters is there. */
  readonly ready: Promise<void>;
  chapters: IChapter[] = [];
  glossary: ITerm[] = [];
  /** Where the learner's chapters are; null where none was found. */
  folder: string | null = null;
  passed = new Set<string>();
  /** Whether the learner's files were looked at. */
  known = false;
  private present = new Set<string>();
  private remembered: string | null = null;
  private progressRead: string | null = null;
  private placing = false;

  /**
   * @param contents - the server's files
   * @param browsed - the folder that the learner looks at
   */
  constructor(
    private contents: Contents.IManager,
    private browsed: () => string,
  ) {
    type Listed = { chapters: IChapter[]; glossary?: ITerm[] };
    this.ready = this.shipped<Listed>("course.json").then(({ chapters, glossary }) => {
      this.chapters = chapters;
      this.glossary = glossary ?? [];
      this.changed.emit();
    });
  }

  /** Where copies go. */
  get target(): string {
    return this.folder ?? PathExt.join(this.here, OWN_FOLDER);
  }

  /** The folder to prefer over others when the browsed one has no chapters. */
  remember(folder: string): void {
    this.remembered = folder;
  }

  has(chapter: IChapter): boolean {
    return this.present.has(chapter.file);
  }

  passedIn(chapter: IChapter): number {
    return chapter.exercises.filter((exercise) => this.passed.has(exercise)).length;
  }

  find(number: unknown): IChapter | undefined {
    return this.chapters.find((chapter) => chapter.number === String(number).padStart(2, "0"));
  }

  /** The path of a chapter in the learner's folder, whether it is there or not. */
  path(chapter: IChapter): string {
    return PathExt.join(this.target, chapter.file);
  }

  /** Look again at the learner's files. */
  async refresh(): Promise<void> {
    await this.ready;
    const listed = new Map<string, Promise<Listing | null>>();
    let folder: string | null = null;
    let files: Listing = new Map();
    for (const candidate of this.candidates()) {
      const found = await this.list(candidate, listed);
      if (found && this.chapters.some((chapter) => found.has(chapter.file))) {
        [folder, files] = [candidate, found];
        break;
      }
    }
    const before = this.state();
    await this.readProgress(files.get(PROGRESS));
    this.known = true;
    this.folder = folder;
    this.present = new Set(files.keys());
    if (folder !== null) {
      this.remembered = folder;
    }
    if (this.state() !== before) {
      this.changed.emit();
    }
  }

  /**
   * Put an untouched copy of a chapter into the learner's folder, under the next free name; returns
   * its path.
   */
  async place(chapter: IChapter): Promise<string> {
    const path = await this.create(
      this.target,
      chapter.file,
      await this.shipped(`chapters/${chapter.file}`),
    );
    await this.refresh();
    return path;
  }

  /** Place the chapters that are not there yet; returns how many these were. */
  async placeMissing(): Promise<number> {
    if (this.placing) {
      return 0; // a second click
    }
    this.placing = true;
    try {
      await this.refresh();
      const missing = this.chapters.filter((chapter) => !this.has(chapter));
      for (const chapter of missing) {
        await this.place(chapter);
      }
      return missing.length;
    } finally {
      this.placing = false;
    }
  }

  /** The path of `file` in the folder, made with this content if it is not there. */
  async ensure(
    folder: string,
    file: string,
    content: object,
  ): Promise<{ path: string; made: boolean }> {
    const found = (await this.list(folder))?.get(file);
    return found
      ? { path: found.path, made: false }
      : { path: await this.create(folder, file, content), made: true };
  }

  /**
   * The browsed folder as a path of the default drive (jupyter-collaboration shows the same files
   * as another one).
   */
  get here(): string {
    const path = this.browsed();
    return ["", "RTC"].includes(this.contents.driveName(path)) ? this.contents.localPath(path) : "";
  }

  private candidates(): Set<string> {
    const around = (folder: string) =>
      ["", "notebooks", OWN_FOLDER].map((name) => PathExt.join(folder, name));
    const remembered = this.remembered === null ? [] : [this.remembered];
    return new Set([...around(this.here), ...remembered, ...around("")]);
  }

  /**
   * What is in a folder, null where there is none. Asks only for what its parent lists: a 404 would
   * be logged.
   */
  private list(
    folder: string,
    listed = new Map<string, Promise<Listing | null>>(),
  ): Promise<Listing | null> {
    const look = async (): Promise<Listing | null> => {
      if (folder !== "") {
        const parent = await this.list(PathExt.dirname(folder), listed);
        if (parent?.get(PathExt.basename(folder))?.type !== "directory") {
          return null;
        }
      }
      const model = await this.contents.get(folder, { type: "directory", content: true });
      return new Map(model.content.map((item: Contents.IModel) => [item.name, item]));
    };
    const asked = listed.get(folder) ?? look();
    listed.set(folder, asked);
    return asked;
  }

  private async readProgress(file?: Contents.IModel): Promise<void> {
    const version = file ? `${file.path} ${file.last_modified} ${file.size}` : null;
    if (version === this.progressRead) {
      return;
    }
    this.passed = new Set();
    if (file) {
      const { content } = await this.contents.get(file.path, {
        type: "file",
        format: "text",
        content: true,
      });
      try {
        this.passed = new Set(JSON.parse(content).passed);
      } catch {
        // damaged: dgkit.course sets it aside at the next answer and begins a new one
      }
    }
    this.progressRead = version;
  }

  /**
   * A new notebook under the next free name. It is written beside and renamed: the server never
   * renames onto a file.
   */
  private async create(folder: string, file: string, content: object): Promise<string> {
    if (folder !== "") {
      await this.contents.save(folder, { type: "directory" }); // leaves one that is there as it is
    }
    const draft = await this.contents.newUntitled({ path: folder, type: "notebook" });
    try {
      await this.contents.save(draft.path, { type: "notebook", format: "json", content });
      const taken = (await this.list(folder)) ?? new Map();
      for (let n = 0; ; n++) {
        const name = n ? file.replace(/(\.ipynb)$/, `-copy${n}$1`) : file;
        if (taken.has(name)) {
          continue;
        }
        try {
          return (await this.contents.rename(draft.path, PathExt.join(folder, name))).path;
        } catch (error) {
          if (!(error instanceof ServerConnection.ResponseError && error.response.status === 409)) {
            throw error;
          } // taken in the meantime: try the next
        }
      }
    } catch (error) {
      await this.contents.delete(draft.path);
      throw error;
    }
  }

  private async shipped<T>(name: string): Promise<T> {
    const settings = ServerConnection.makeSettings();
    const path = URLExt.join(PageConfig.getOption("fullLabextensionsUrl"), "dgkit-lab", name);
    const response = await ServerConnection.makeRequest(
      new URL(path, settings.baseUrl).href,
      {},
      settings,
    );
    if (!response.ok) {
      throw new ServerConnection.ResponseError(
        response,
        `${name} is not installed with dgkit; reinstall dgkit.`,
      );
    }
    return response.json();
  }

  private state(): string {
    return JSON.stringify([
      this.known,
      this.folder,
      this.here,
      this.chapters.map((c) => this.has(c)),
      [...this.passed],
    ]);
  }
}
