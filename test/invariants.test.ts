import { glob, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

/** A line of a comment that defines an invariant: ` *   NAME-1. What holds.` */
const DEFINITION = /^ *(?:\*|\/\/) +([A-Z]+(?:-[A-Z]+)*-?\d+)\. /gm;

test("each invariant has an identifier of its own", async () => {
  const files: Record<string, string[]> = {};
  for await (const file of glob("{src,client,public,bench,test}/**/*.{ts,js}")) {
    for (const [, name = ""] of (await readFile(file, "utf8")).matchAll(DEFINITION)) {
      files[name] = [...(files[name] ?? []), file];
    }
  }
  expect(Object.keys(files).length).toBeGreaterThan(50);
  expect(Object.entries(files).filter(([, places]) => places.length > 1)).toEqual([]);
});
