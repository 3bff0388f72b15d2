/** The largest input, result or event that Durable Task Scheduler takes: 1 MB. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024;
