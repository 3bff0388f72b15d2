import { execFile } from "node:child_process";
import { mkdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where the scheduler's file is: a small file system of its own where we may mount one, else a folder. */
export class Disk {
  readonly folder: string;
  readonly canBeFilled: boolean;

  static async create(folder: string, megabytes: number): Promise<Disk> {
    await mkdir(folder);
    const options = ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder];
    const mounted = await run("mount", options).then(
      () => true,
      () => false,
    );
    return new Disk(folder, mounted);
  }

  private constructor(folder: string, canBeFilled: boolean) {
    this.folder = folder;
    this.canBeFilled = canBeFilled;
  }

  /** Leaves no room for anything else. */
  async fill(): Promise<void> {
    const { bavail, bsize } = await statfs(this.folder);
    // The scheduler may be quicker, and then there is even less.
    await run("fallocate", ["-l", String(bavail * bsize), this.#ballast]).catch(() => undefined);
  }

  async free(): Promise<void> {
    await rm(this.#ballast, { force: true });
  }

  async remove(): Promise<void> {
    if (this.canBeFilled) await run("umount", ["--lazy", this.folder]);
    await rm(this.folder, { recursive: true, force: true });
  }

  get #ballast(): string {
    return join(this.folder, "ballast");
  }
}
