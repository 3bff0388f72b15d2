import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** A module of the client with all that it imports, minified. */
export async function bundle(name: string, external: readonly string[] = []): Promise<string> {
  const input = fileURLToPath(new URL(`../../../client/${name}`, import.meta.url));
  const build = await rolldown({ input, external: [...external] });
  const { output } = await build.generate({ format: "esm", minify: true });
  await build.close();
  return output[0].code;
}
