import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** A module of the client with all that it imports, minified. */
export function bundle(name: string): Promise<string> {
  return bundleFile(new URL(`../../../client/${name}`, import.meta.url));
}

const CLIENT = fileURLToPath(new URL("../../../client/client.ts", import.meta.url));
const HOOKS = fileURLToPath(new URL("../../../client/react.ts", import.meta.url));

/** A module with all that it imports, packages included, minified for a page. */
export async function bundleFile(file: URL): Promise<string> {
  const build = await rolldown({
    input: fileURLToPath(file),
    platform: "browser",
    resolve: { alias: { "dts-push/client": CLIENT, "dts-push/react": HOOKS } },
    transform: { define: { "process.env.NODE_ENV": '"development"' } },
  });
  const { output } = await build.generate({ format: "esm", minify: true });
  await build.close();
  return output[0].code;
}
