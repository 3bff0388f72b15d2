import type { TestProject } from "vitest/node";
import { type Documents, readDocuments } from "./documents.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly documents: Documents;
  }
}

/** Runs once before all tests: each file checks what the API sends against its own description. */
export default async function provideDocuments(project: TestProject): Promise<void> {
  project.provide("documents", await readDocuments());
}
