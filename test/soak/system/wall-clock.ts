/** The wall clock of one process, which can be set. */
import { globSync, renameSync, writeFileSync } from "node:fs";

/** Of Debian's package `libfaketime`; the one for programs with threads. */
const LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1";

export class WallClock {
  readonly #file: string;
  /** For the process. */
  readonly env: Readonly<Record<string, string>>;

  /** `undefined` where the library is missing. */
  static create(file: string): WallClock | undefined {
    const [library] = globSync(LIBRARY);
    return library ? new WallClock(file, library) : undefined;
  }

  private constructor(file: string, library: string) {
    this.#file = file;
    this.env = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    this.set(0);
  }

  /** Within a second it shows the time of this machine, and so many seconds more or less. */
  set(seconds: number): void {
    const draft = `${this.#file}.draft`;
    writeFileSync(draft, `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}s`);
    renameSync(draft, this.#file);
  }
}
