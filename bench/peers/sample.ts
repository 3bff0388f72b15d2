/** The API of the Python sample, in a process of its own. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePort } from "../../test/helpers/free-port.ts";
import { Program } from "./program.ts";

const PROGRAM = fileURLToPath(new URL("./sample.py", import.meta.url));
const VERSIONS =
  "import fastapi, platform, uvicorn; print(f'Python {platform.python_version()}, FastAPI {fastapi.__version__}, uvicorn {uvicorn.__version__}')";

export interface Python {
  readonly program: string;
  /** Of Python and of what the sample needs. */
  readonly versions: string;
}

/** The first Python that has FastAPI and uvicorn, if any. */
export function findPython(): Python | undefined {
  for (const program of ["python3", "/usr/bin/python3"]) {
    const { status, stdout } = spawnSync(program, ["-c", VERSIONS], { encoding: "utf8" });
    if (status === 0) return { program, versions: stdout.trim() };
  }
  return undefined;
}

export const NO_PYTHON =
  "Python with FastAPI is not installed: apt-get install python3-fastapi python3-uvicorn";

export async function startSample({ program }: Python): Promise<Program> {
  const port = await freePort();
  return Program.start([program, PROGRAM, String(port)], port);
}
