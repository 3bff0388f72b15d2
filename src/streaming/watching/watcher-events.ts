/** What a watcher reports to its owner. */
export interface WatcherEvents {
  /** The cursor has moved. @returns whether its next move matters at once, too */
  onMoved(): boolean;
  /** A read has found a change whose hint has not come by the next read, although hints came before. */
  onBackstop(): void;
  /** So many reads were not made since the last one, because hints announce the changes. */
  onReadsSaved(count: number): void;
  /** Whether the operation is active and somebody waits for its end. Also where nothing has changed. */
  onAwaitsEnd(awaits: boolean): void;
}
