/** Where an operation is found, as paths at this server. */
export interface OperationUrls {
  readonly status_url: string;
  readonly events_url: string;
}

/**
 * Ids that reach the server unchanged as one segment of a path: URL parsers resolve `.` and `..`, and
 * proxies decode, merge or refuse encoded slashes, backslashes and percent signs.
 */
const SAFE_IN_PATH = /^(?!\.\.?$)[^/\\%]+$/;

/**
 * URLs that work for every id: in the path where that is safe, else in the query.
 * @param prefix under which the API is, such as `/push`; empty where it has the server for itself
 */
export function operationUrls(id: string, prefix: string): OperationUrls {
  const encoded = encodeURIComponent(id);
  if (!SAFE_IN_PATH.test(id)) {
    const query = `operation_id=${encoded}`;
    return {
      status_url: `${prefix}/api/operations?${query}`,
      events_url: `${prefix}/api/events?${query}`,
    };
  }
  const status_url = `${prefix}/api/operations/${encoded}`;
  return { status_url, events_url: `${status_url}/events` };
}
