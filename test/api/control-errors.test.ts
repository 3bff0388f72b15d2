import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { failing } from "../helpers/scheduler/fake-scheduler.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../helpers/stack.ts";
import { send } from "./support/operations.ts";
import { problemOf } from "./support/problem.ts";

/* What the scheduler answers to commands, as clients see it. */

const METHODS = [
  "terminateInstance",
  "suspendInstance",
  "resumeInstance",
  "rewindInstance",
  "restartInstance",
  "raiseEvent",
  "purgeInstances",
];

/** A scheduler that has one operation in each state, and refuses every command. */
async function startRefusing(code: status) {
  const answer = failing(code, "s3cret at Store.write (/srv/store.ts:1)");
  const scheduler = await ScriptedScheduler.start(
    [
      instance({ id: "active" }),
      instance({ id: "failed", status: "FAILED" }),
      instance({ id: "completed", status: "COMPLETED" }),
    ],
    Object.fromEntries(METHODS.map((method) => [method, answer])),
  );
  const { url } = await startTestApi(scheduler.address);
  const requests = [
    ["active", "/terminate"],
    ["active", "/suspend"],
    ["active", "/resume"],
    ["active", "/events/go"],
    ["failed", "/rewind"],
    ["completed", "/restart"],
    ["completed", ""],
  ] as const;
  const command = async ([id, path]: (typeof requests)[number]) => {
    const method = path === "" ? "DELETE" : "POST";
    return send(new URL(`/api/operations/${id}${path}`, url), undefined, {}, method);
  };
  return { scheduler, requests, command };
}

test.for([
  [status.NOT_FOUND, 404, "operation-not-found"],
  [status.FAILED_PRECONDITION, 409, "wrong-state"],
  [status.INVALID_ARGUMENT, 422, "values-rejected"],
  [status.UNAVAILABLE, 503, "scheduler-unavailable"],
  [status.INTERNAL, 503, "scheduler-unavailable"],
  [status.RESOURCE_EXHAUSTED, 503, "scheduler-throttled"],
  [status.PERMISSION_DENIED, 502, "scheduler-access-denied"],
  [status.UNIMPLEMENTED, 501, "scheduler-unsupported"],
] as const)(
  "gRPC status %i of a command is a %i %s, and its details are not sent to clients",
  async ([code, httpStatus, slug]) => {
    const { requests, command } = await startRefusing(code);
    for (const request of requests) {
      const what = request.join("");
      const problem = await problemOf(await command(request), httpStatus, slug, what);
      expect(JSON.stringify(problem), what).not.toContain("s3cret");
    }
  },
);

test("an operation that changes between its read and the command is 409 with its state now", async () => {
  const { scheduler, command } = await startRefusing(status.FAILED_PRECONDITION);
  let isStale = true;
  scheduler.set("active", { status: "COMPLETED" });
  scheduler.isStale = () => {
    const answer = isStale;
    isStale = false;
    return answer;
  };
  const response = await command(["active", "/suspend"]);
  const problem = await problemOf(response, 409, "wrong-state");
  expect(problem.operation_status).toBe("Completed");
});
