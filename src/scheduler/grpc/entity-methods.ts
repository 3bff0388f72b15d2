/** The calls about entities: translation and validation. */
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

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;

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

    /** One without a state, which is there only for its lock or its messages, does not count. */
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
      const asked = query.getPagesize()?.getValue() || DEFAULT_PAGE_SIZE;
      const size = Math.min(asked, MAX_PAGE_SIZE);
      const filter = {
        hub,
        idPrefix: checkIdPrefix(query.getInstanceidstartswith()?.getValue()) ?? "@",
        afterId: checkToken(query.getContinuationtoken()?.getValue()) ?? "",
        modifiedFromMs: toMs(query.getLastmodifiedfrom()) ?? 0,
        modifiedToMs: toMs(query.getLastmodifiedto()) ?? Number.MAX_SAFE_INTEGER,
        transient: query.getIncludetransient(),
      };
      const { found, metadata } = await reads.read((from) => {
        const found = from.entities.query(filter, size + 1);
        const page = found.slice(0, size);
        return { found, metadata: page.map((each) => describe(each, query.getIncludestate())) };
      });
      const response = new pb.QueryEntitiesResponse();
      response.setEntitiesList(metadata);
      if (found.length > size) {
        response.setContinuationtoken(stringValue(metadata.at(-1)?.getInstanceid()));
      }
      return response;
    },

    /** There is never anything to clean: empty entities go at once (N5), and so do the locks of the dead (N4). */
    cleanEntityStorage: () => new pb.CleanEntityStorageResponse(),
  };
}
