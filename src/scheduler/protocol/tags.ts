/** Tags: a protobuf map that many messages have. */
import { pb } from "./proto.ts";

export type Tags = ReadonlyMap<string, string>;
type Tagged = Pick<pb.ExecutionStartedEvent, "getTagsMap">;

export function tagsOf(message: Tagged): Tags {
  const tags = new Map<string, string>();
  message.getTagsMap().forEach((value, key) => {
    tags.set(key, value);
  });
  return tags;
}

export function setTags(message: Tagged, tags: Tags): void {
  for (const [key, value] of tags) message.getTagsMap().set(key, value);
}

/** The form in which a row stores them: a message that has only tags. */
export function serializeTags(tags: Tags): Uint8Array | undefined {
  if (tags.size === 0) return undefined;
  const carrier = new pb.ExecutionStartedEvent();
  setTags(carrier, tags);
  return carrier.serializeBinary();
}

export function parseTags(bytes: Uint8Array | undefined): Tags {
  return bytes ? tagsOf(pb.ExecutionStartedEvent.deserializeBinary(bytes)) : new Map();
}
