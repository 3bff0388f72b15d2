/** The gRPC methods for many instances: listing and purging. */
import type { InstanceCommands } from "../engine/commands.ts";
import { purgeByFilter } from "../engine/purge.ts";
import { type InstanceState, type Reads, withState } from "../engine/reads.ts";
import { boolValue, pb, stringValue, toMs } from "../protocol/proto.ts";
import { checkBatch, checkIdPrefix, checkStatuses, checkToken } from "../protocol/validation.ts";
import { listCompleted, type Page, queryInstances } from "../storage/instance-listing.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { CallContext } from "./calls.ts";
import { orchestrationState, stateBytes } from "./orchestration-state.ts";
import { MAX_PAGE_BYTES, pageSize } from "./page-limits.ts";

export function queryMethods(commands: InstanceCommands, reads: Reads, store: Store) {
  return {
    queryInstances: async (request: pb.QueryInstancesRequest, { hub }: CallContext) => {
      const query = request.getQuery() ?? new pb.InstanceQuery();
      const filter = {
        hub,
        statuses: checkStatuses(query.getRuntimestatusList()),
        createdFromMs: toMs(query.getCreatedtimefrom()),
        createdToMs: toMs(query.getCreatedtimeto()),
        idPrefix: checkIdPrefix(query.getInstanceidprefix()?.getValue()),
      };
      const token = checkToken(query.getContinuationtoken()?.getValue());
      const full = query.getFetchinputsandoutputs();
      const { found, next } = await reads.read(({ instances }) => {
        const page = queryInstances(
          instances,
          filter,
          token,
          pageSize(query.getMaxinstancecount()),
        );
        return cutToBytes(page, (instance) => withState(instances, instance, full));
      });
      const states = found.map(({ instance, payloads }) =>
        orchestrationState(instance, payloads, full),
      );
      const response = new pb.QueryInstancesResponse();
      response.setOrchestrationstateList(states);
      response.setContinuationtoken(stringValue(next));
      return response;
    },

    listInstanceIds: async (request: pb.ListInstanceIdsRequest, { hub }: CallContext) => {
      const filter = {
        hub,
        statuses: checkStatuses(request.getRuntimestatusList()),
        completedFromMs: toMs(request.getCompletedtimefrom()),
        completedToMs: toMs(request.getCompletedtimeto()),
      };
      const token = checkToken(request.getLastinstancekey()?.getValue());
      const page = await reads.read(({ instances }) =>
        listCompleted(instances, filter, token, pageSize(request.getPagesize())),
      );
      const response = new pb.ListInstanceIdsResponse();
      response.setInstanceidsList(page.items.map(({ instanceId }) => instanceId));
      response.setLastinstancekey(stringValue(page.token));
      return response;
    },

    purgeInstances: async (request: pb.PurgeInstancesRequest, { hub }: CallContext) => {
      const recursive = request.getRecursive();
      const response = new pb.PurgeInstancesResponse();
      const filter = request.getPurgeinstancefilter();
      if (filter) {
        const criteria = {
          hub,
          statuses: checkStatuses(filter.getRuntimestatusList()),
          createdFromMs: toMs(filter.getCreatedtimefrom()),
          createdToMs: toMs(filter.getCreatedtimeto()),
          timeoutMs: filter.hasTimeout()
            ? (filter.getTimeout()?.getSeconds() ?? 0) * 1000
            : undefined,
        };
        const { purged, complete } = await purgeByFilter(store, commands, criteria, recursive);
        response.setDeletedinstancecount(purged);
        response.setIscomplete(boolValue(complete));
        return response;
      }
      const ids = request.hasInstancebatch()
        ? checkBatch(request.getInstancebatch())
        : [request.getInstanceid()];
      response.setDeletedinstancecount(await commands.purge(hub, ids, recursive));
      response.setIscomplete(boolValue(true));
      return response;
    },
  };
}

/** Cuts a page after the last state that fits. @returns also the token of the next page */
function cutToBytes(page: Page<InstanceRow>, stateOf: (instance: InstanceRow) => InstanceState) {
  const found: InstanceState[] = [];
  let bytes = 0;
  for (const instance of page.items) {
    const state = stateOf(instance);
    bytes += stateBytes(instance, state.payloads);
    const last = found.at(-1);
    if (last && bytes > MAX_PAGE_BYTES) return { found, next: page.tokenAfter(last.instance) };
    found.push(state);
  }
  return { found, next: page.token };
}
