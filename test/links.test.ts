import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const PAGES = ["*.md", "{bench,deploy,docs,infra,src}/**/*.md"];

test("links of the documentation lead to files and headings that exist", () => {
  const pages = globSync(PAGES, { cwd: ROOT });
  expect(pages).toEqual(expect.arrayContaining(["README.md", join("docs", "PROTOCOL.md")]));
  const broken = pages.flatMap((page) => {
    const links = withoutCode(page).matchAll(/\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]+))?\)/g);
    return [...links].flatMap(([, path, anchor]) => {
      const target = path ? join(dirname(page), path) : page;
      const exists = existsSync(join(ROOT, target)) && (!anchor || anchors(target).has(anchor));
      return exists ? [] : [`${page}: ${path}${anchor ? `#${anchor}` : ""}`];
    });
  });
  expect(broken).toEqual([]);
});

/** The text of a page without its blocks of code. */
function withoutCode(page: string): string {
  return readFileSync(join(ROOT, page), "utf8").replaceAll(/^ *```[\s\S]*?^ *```$/gm, "");
}

/** The anchors that GitHub makes of a page's headings. */
function anchors(page: string): Set<string> {
  const headings = withoutCode(page).matchAll(/^#+ (.+)$/gm);
  return new Set(
    [...headings].map(([, text]) =>
      (text as string)
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
