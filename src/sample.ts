/**
 * The orchestration of the sample, by which its worker and its start endpoint know each other, here and
 * in Microsoft's Python sample.
 */
export const SAMPLE_ORCHESTRATION = "async_http_api_orchestrator";
