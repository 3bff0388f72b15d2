/** The gRPC methods for entities: they translate and validate. */
import type { Entities } from "../engine/entities.ts";
import type { Reads } from "../engine/reads.ts";
import { pb, stringValue, toMs, toTimestamp } from "../protocol/proto.ts";
import {
  checkEntityId,
  checkIdPrefix,
  checkLabel,
  checkName,
  checkPayload,
  checkToken,
} from "../protocol/validation.ts";
import type { Entity } from "../storage/entity-table.ts";
import type { Store } from "../storage/store.ts";
import type { CallContext } from "./calls.ts";
import { MAX_PAGE_BYTES, pageSize } from "./page-limits.ts";

export function entityMethods(entities: Entities, reads: Reads, store: Store) {
  const describe = (entity: Entity, withState: boolean): pb.EntityMetadata => {
    const metadata = new pb.EntityMetadata();
    metadata.setInstanceid(entity.entityId);
    metadata.setLastmodifiedtime(toTimestamp(entity.updatedMs));
    metadata.setBacklogqueuesize(store.entities.countMessages(entity.key));
    metadata.setLockedby(stringValue(entity.lock?.holderId));
    if (withState) metadata.setSerializedstate(stringValue(entity.state));
    return metadata;
  };

  return {
    signalEntity: async (request: pb.SignalEntityRequest, { ensureHub }: CallContext) => {
      const id = checkEntityId(request.getInstanceid());
      const signal = {
        requestId: checkLabel("The request id", request.getRequestid()),
        operation: checkName("The operation", request.getName()),
        input: checkPayload("The input", request.getInput()?.getValue()),
        dueMs: toMs(request.getScheduledtime()),
      };
      await entities.signal(ensureHub(), id, signal);
      return new pb.SignalEntityResponse();
    },

    /** An entity that has only a lock or messages, and no state, does not exist for clients. */
    getEntity: async (request: pb.GetEntityRequest, { hub }: CallContext) => {
      const id = checkEntityId(request.getInstanceid());
      const metadata = await reads.read((from) => {
        const entity = from.entities.byId(hub, id);
        return entity?.state === undefined
          ? undefined
          : describe(entity, request.getIncludestate());
      });
      const response = new pb.GetEntityResponse();
      response.setExists(metadata !== undefined);
      response.setEntity(metadata);
      return response;
    },

    queryEntities: async (request: pb.QueryEntitiesRequest, { hub }: CallContext) => {
      const query = request.getQuery() ?? new pb.EntityQuery();
      const size = pageSize(query.getPagesize()?.getValue());
      const withState = query.getIncludestate();
      const filter = {
        hub,
        idPrefix: checkIdPrefix(query.getInstanceidstartswith()?.getValue()) ?? "@",
        afterId: checkToken(query.getContinuationtoken()?.getValue()) ?? "",
        modifiedFromMs: toMs(query.getLastmodifiedfrom()) ?? 0,
        modifiedToMs: toMs(query.getLastmodifiedto()) ?? Number.MAX_SAFE_INTEGER,
        transient: query.getIncludetransient(),
      };
      const { page, next } = await reads.read((from) => {
        const page: pb.EntityMetadata[] = [];
        let bytes = 0;
        for (const entity of from.entities.query(filter, size + 1)) {
          if (withState) bytes += Buffer.byteLength(entity.state ?? "");
          const last = page.at(-1)?.getInstanceid();
          if (last && (page.length === size || bytes > MAX_PAGE_BYTES)) return { page, next: last };
          page.push(describe(entity, withState));
        }
        return { page, next: undefined };
      });
      const response = new pb.QueryEntitiesResponse();
      response.setEntitiesList(page);
      response.setContinuationtoken(stringValue(next));
      return response;
    },

    /** Nothing to clean: empty entities are removed (ENTITY-5) and locks released (ENTITY-4) at once. */
    cleanEntityStorage: () => new pb.CleanEntityStorageResponse(),
  };
}
