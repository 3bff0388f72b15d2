import { InterceptingCall, type Interceptor, status } from "@grpc/grpc-js";

/** The call by which a worker reports what a turn of an orchestration has decided. */
const COMPLETES_TURN = /\/CompleteOrchestratorTask$/;

/**
 * An interceptor for a worker's channel that calls `onChanged` with the id of each orchestration whose
 * state has just changed: the scheduler has stored the outcome of a turn.
 */
export function hintInterceptor(onChanged: (operationId: string) => void): Interceptor {
  return (options, nextCall) => {
    if (!COMPLETES_TURN.test(options.method_definition.path)) {
      return new InterceptingCall(nextCall(options));
    }
    let operationId: string | undefined;
    return new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveStatus: (received, pass) => {
            if (received.code === status.OK && operationId !== undefined) onChanged(operationId);
            pass(received);
          },
        }),
      sendMessage: (message: { getInstanceid(): string }, next) => {
        operationId = message.getInstanceid();
        next(message);
      },
    });
  };
}
